// Writes engine/crossfade.schema.json, the JSON Schema of crossfade.yaml for editors; a test holds that it
// is current.
import { writeFileSync } from 'node:fs';
import { configSchema } from '../engine/src/config.ts';

const path = new URL('../engine/crossfade.schema.json', import.meta.url);
writeFileSync(path, `${JSON.stringify(configSchema(), undefined, 2)}\n`);
