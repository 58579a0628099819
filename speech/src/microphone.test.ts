// What the worklet posts becomes 16 kHz audio of the right length, with holes told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import vm from 'node:vm';
import { CodedDecoder } from './local/coded-decoder.ts';
import { encodeWords } from './local/coded-word.ts';
import { FrameSequence, MICROPHONE_WORKLET, type CapturedFrame } from './microphone.ts';
import { Resampler } from './resampler.ts';

for (const rateHz of [24_000, 44_100, 48_000])
  test(`speech captured at ${rateHz} Hz is heard whole after resampling`, () => {
    const script = encodeWords(['over', 'the', 'hills'], { leadMs: 100, tailMs: 100 });
    const captured = new Resampler(16_000, rateHz).next(script.samples);
    const frames = new FrameSequence(rateHz);
    const decoder = new CodedDecoder();
    const heard = [];
    const size = rateHz / 50;
    for (let at = 0; at < captured.length; at += size) {
      const { samples, missingSamples } = frames.next({ samples: captured.slice(at, at + size), frame: at });
      assert.equal(missingSamples, 0);
      heard.push(...decoder.accept(samples));
    }
    assert.deepEqual(
      heard.map((word) => word.text),
      ['over', 'the', 'hills'],
    );
  });

test('frames that never came are a hole of their own length, and jitter of the clock is none', () => {
  const frames = new FrameSequence(48_000);
  const frame = (at: number): CapturedFrame => ({ samples: new Int16Array(960), frame: at });
  assert.equal(frames.next(frame(0)).missingSamples, 0);
  assert.equal(frames.next(frame(970)).missingSamples, 0);
  assert.equal(frames.next(frame(1_930 + 48_000)).missingSamples, 16_000);
});

test('the worklet posts 20 ms frames with the number of their first sample', () => {
  type Processor = { port: unknown; process(inputs: Float32Array[][]): boolean };
  const posted: CapturedFrame[] = [];
  let make: (new () => Processor) | undefined;
  const world = {
    sampleRate: 48_000,
    currentFrame: 0,
    AudioWorkletProcessor: class {
      port = { postMessage: (message: CapturedFrame) => posted.push(message) };
    },
    registerProcessor: (_name: string, made: new () => Processor) => {
      make = made;
    },
    Int16Array,
    Math,
  };
  vm.runInNewContext(MICROPHONE_WORKLET, world);
  assert.ok(make);
  const processor = new make();
  for (; world.currentFrame < 1_920; world.currentFrame += 128)
    assert.equal(processor.process([[new Float32Array(128).fill(0.5)]]), true);
  assert.deepEqual(
    posted.map((each) => [each.frame, each.samples.length, each.samples[10]]),
    [
      [0, 960, 16_383],
      [960, 960, 16_383],
    ],
  );
});
