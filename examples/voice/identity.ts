// Who answers: the release and the instance this process was started as. Health, echo and the echo socket say
// it, so that anybody can prove which release they reached. A process that nobody gave a release is `local`.

export function identity(): { readonly release: string; readonly instance: string } {
  return {
    release: process.env['CROSSFADE_RELEASE'] ?? 'local',
    instance: process.env['CROSSFADE_INSTANCE'] ?? 'local',
  };
}
