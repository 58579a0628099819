// Runs the local servers as a process: `node serve.ts speechmatics|parakeet|both`. Options come from the
// environment: SPEECHMATICS_PORT, PARAKEET_PORT, SPEECHMATICS_API_KEY, MODAL_KEY, MODAL_SECRET, SPEECH_RATE,
// SPEECH_QUOTA, SPEECH_RECOGNISER (coded | pocketsphinx). Prints one JSON line with the addresses when it
// listens; SIGTERM and SIGINT end it.
import { startParakeetServer } from './parakeet-server.ts';
import { codedRecogniser, type OpenRecogniser } from './recogniser.ts';
import { startSpeechmaticsServer } from './speechmatics-server.ts';

const environment = process.env;
const which = process.argv[2] ?? 'both';
const rate = Number(environment['SPEECH_RATE'] ?? 1);
const openRecogniser = await chosenRecogniser(environment['SPEECH_RECOGNISER'] ?? 'coded');

const speechmatics =
  which === 'parakeet'
    ? undefined
    : await startSpeechmaticsServer({
        port: Number(environment['SPEECHMATICS_PORT'] ?? 0),
        rate,
        openRecogniser,
        ...(environment['SPEECHMATICS_API_KEY'] ? { apiKeys: [environment['SPEECHMATICS_API_KEY']] } : {}),
        ...(environment['SPEECH_QUOTA'] ? { quota: Number(environment['SPEECH_QUOTA']) } : {}),
      });
const parakeet =
  which === 'speechmatics'
    ? undefined
    : await startParakeetServer({
        port: Number(environment['PARAKEET_PORT'] ?? 0),
        rate,
        openRecogniser,
        ...(environment['MODAL_KEY'] ? { key: environment['MODAL_KEY'] } : {}),
        ...(environment['MODAL_SECRET'] ? { secret: environment['MODAL_SECRET'] } : {}),
      });

console.log(
  JSON.stringify({
    pid: process.pid,
    ...(speechmatics
      ? {
          speechmatics: { url: speechmatics.url, mintUrl: speechmatics.mintUrl, origin: speechmatics.origin },
        }
      : {}),
    ...(parakeet ? { parakeet: { url: parakeet.url, origin: parakeet.origin } } : {}),
  }),
);

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    void Promise.all([speechmatics?.[Symbol.asyncDispose](), parakeet?.[Symbol.asyncDispose]()]).then(() =>
      process.exit(0),
    );
  });
}

async function chosenRecogniser(name: string): Promise<OpenRecogniser> {
  if (name === 'coded') return codedRecogniser;
  if (name === 'pocketsphinx') return (await import('./pocketsphinx.ts')).pocketsphinxRecogniser();
  throw new Error(`unknown recogniser ${name}; SPEECH_RECOGNISER is coded or pocketsphinx`);
}
