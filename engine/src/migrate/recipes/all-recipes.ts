// The recipes that come with Crossfade, by name.
import type { Recipe } from '../recipe.ts';
import { modalToSpeechmatics } from './modal-to-speechmatics.ts';
import { publicKeysToServer } from './public-keys-to-server.ts';

export const recipes: ReadonlyMap<string, Recipe> = new Map(
  [modalToSpeechmatics, publicKeysToServer].map((each) => [each.name, each]),
);
