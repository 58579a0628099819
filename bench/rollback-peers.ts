export async function peerLines(_r: number, _m: number): Promise<string[]> {
  return [];
}
