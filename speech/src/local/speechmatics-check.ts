// What the realtime v2 server accepts in StartRecognition and SetRecognitionConfig, by the vendor's AsyncAPI
// (spec/realtime.yaml): unknown fields, wrong types and values out of range are refused with the documented
// Error type. It checks and reads; it holds no state.

/** The parts of a StartRecognition that change what the local server does. */
export type Recognition = {
  readonly encoding: 'pcm_s16le' | 'pcm_f32le' | 'mulaw';
  readonly sampleRateHz: number;
  readonly maxDelayS: number;
  readonly partials: boolean;
  readonly diarization: boolean;
  readonly endOfUtteranceS: number;
};

/** A refusal by `Error.type`. */
export type Refusal = { readonly type: string; readonly reason: string };

type Fields = Record<string, unknown>;
type Check = (value: unknown) => boolean;

const isObject: Check = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const isString: Check = (value) => typeof value === 'string';
const isBoolean: Check = (value) => typeof value === 'boolean';
const isArray: Check = (value) => Array.isArray(value);
const oneOf =
  (...values: readonly string[]): Check =>
  (value) =>
    values.includes(value as string);
const within =
  (min: number, max: number): Check =>
  (value) =>
    typeof value === 'number' && value >= min && value <= max;

const CONVERSATION = { end_of_utterance_silence_trigger: within(0, 2) };
const CHANGEABLE: Record<string, Check> = {
  language: isString,
  max_delay: within(0.7, 4),
  max_delay_mode: oneOf('flexible', 'fixed'),
  audio_filtering_config: isObject,
  enable_partials: isBoolean,
  conversation_config: isObject,
};
const CONFIG: Record<string, Check> = {
  ...CHANGEABLE,
  model: oneOf('standard', 'enhanced', 'melia-1'),
  operating_point: oneOf('standard', 'enhanced'),
  domain: isString,
  output_locale: isString,
  additional_vocab: isVocabulary,
  diarization: oneOf('none', 'speaker', 'channel', 'channel_and_speaker'),
  channel_diarization_labels: isArray,
  speaker_diarization_config: isObject,
  enable_entities: isBoolean,
  punctuation_overrides: isObject,
  transcript_filtering_config: isObject,
};
const START = [
  'message',
  'audio_format',
  'transcription_config',
  'translation_config',
  'audio_events_config',
];

/** Reads a StartRecognition, or says why the vendor would refuse it. */
export function recognitionOf(message: Fields, languages: readonly string[]): Recognition | Refusal {
  const unknown = Object.keys(message).find((field) => !START.includes(field));
  if (unknown) return refused('invalid_message', `unknown field ${unknown}`);
  const format = message['audio_format'];
  if (!isObject(format)) return refused('invalid_audio_type', 'audio_format is required');
  const { type, encoding, sample_rate: sampleRateHz, ...extra } = format as Fields;
  if (type !== 'raw')
    return refused('invalid_audio_type', `audio_format type ${String(type)} is not served here`);
  if (!oneOf('pcm_s16le', 'pcm_f32le', 'mulaw')(encoding) || !within(8_000, 96_000)(sampleRateHz))
    return refused('invalid_audio_type', `encoding ${String(encoding)} at ${String(sampleRateHz)} Hz`);
  if (Object.keys(extra).length > 0) return refused('invalid_audio_type', `unknown ${Object.keys(extra)[0]}`);
  const config = message['transcription_config'];
  if (!isObject(config)) return refused('invalid_config', 'transcription_config is required');
  const problem = problemOf(config as Fields, CONFIG);
  if (problem) return refused('invalid_config', problem);
  const language = (config as Fields)['language'];
  if (typeof language !== 'string') return refused('invalid_config', 'language is required');
  if (!languages.includes(language)) return refused('invalid_language', `language ${language}`);
  return withConfig(
    {
      encoding: encoding as Recognition['encoding'],
      sampleRateHz: sampleRateHz as number,
      maxDelayS: 4,
      partials: false,
      diarization: false,
      endOfUtteranceS: 0,
    },
    config as Fields,
  );
}

/** A running recognition with a SetRecognitionConfig applied, or why the vendor would refuse it. */
export function changedRecognition(current: Recognition, message: Fields): Recognition | Refusal {
  const unknown = Object.keys(message).find((field) => !['message', 'transcription_config'].includes(field));
  if (unknown) return refused('invalid_message', `unknown field ${unknown}`);
  const config = message['transcription_config'];
  if (!isObject(config)) return refused('invalid_config', 'transcription_config is required');
  const problem = problemOf(config as Fields, CHANGEABLE);
  return problem ? refused('invalid_config', problem) : withConfig(current, config as Fields);
}

function withConfig(recognition: Recognition, config: Fields): Recognition {
  const conversation = config['conversation_config'] as Fields | undefined;
  return {
    ...recognition,
    maxDelayS: (config['max_delay'] as number | undefined) ?? recognition.maxDelayS,
    partials: (config['enable_partials'] as boolean | undefined) ?? recognition.partials,
    diarization: String(config['diarization'] ?? '').includes('speaker') || recognition.diarization,
    endOfUtteranceS:
      (conversation?.['end_of_utterance_silence_trigger'] as number | undefined) ??
      recognition.endOfUtteranceS,
  };
}

function problemOf(config: Fields, checks: Record<string, Check>): string | undefined {
  for (const [field, value] of Object.entries(config)) {
    const check = Object.hasOwn(checks, field) ? checks[field] : undefined;
    if (!check) return `unknown field transcription_config.${field}`;
    if (!check(value)) return `transcription_config.${field} has a value that is not allowed`;
  }
  const conversation = config['conversation_config'];
  return conversation ? problemOf(conversation as Fields, CONVERSATION) : undefined;
}

function isVocabulary(value: unknown): boolean {
  if (!Array.isArray(value) || value.length > 1000) return false;
  return value.every(
    (entry) => isString(entry) || (isObject(entry) && isString((entry as Fields)['content'])),
  );
}

function refused(type: string, reason: string): Refusal {
  return { type, reason };
}
