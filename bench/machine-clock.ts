// One clock for all processes of a bench: CLOCK_MONOTONIC in ms, so that what a child saw can be set
// against what its parent saw. And how busy the machine was meanwhile, which every figure has to be read
// with.
import { cpus, loadavg } from 'node:os';

/** Milliseconds of the machine's monotonic clock: the same in every process, unlike `performance.now`. */
export function machineNow(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Counts from here how busy all cores are, whoever keeps them so. */
export function watchCores(): () => string {
  const before = coreTimes();
  return () => {
    const after = coreTimes();
    const busyShare = 1 - (after.idle - before.idle) / (after.all - before.all);
    const load = loadavg()[0]!.toFixed(1);
    return `${cpus().length} cores ${Math.round(busyShare * 100)} % busy, load ${load}`;
  };
}

function coreTimes(): { readonly idle: number; readonly all: number } {
  const times = cpus().map((each) => each.times);
  const idle = times.reduce((sum, each) => sum + each.idle, 0);
  const all = times.reduce((sum, each) => sum + Object.values(each).reduce((one, two) => one + two, 0), 0);
  return { idle, all };
}
