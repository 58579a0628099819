// Networks as people write them: an address, or an address with a prefix (CIDR). Pure.
import { BlockList, isIP } from 'node:net';

export function isAddress(text: string): boolean {
  return isIP(text) !== 0;
}

/** Whether the text is an address or a network, IPv4 or IPv6. */
export function isNetwork(text: string): boolean {
  return parse(text) !== undefined;
}

/** Whether an address lies in one of the networks. */
export type Networks = (address: string) => boolean;

/** Every text must be a network (`isNetwork`). An IPv4 address in IPv6 form counts as IPv4. */
export function networksOf(texts: readonly string[]): Networks {
  const list = new BlockList();
  for (const text of texts) {
    const network = parse(text);
    if (!network) throw new Error(`"${text}" is not an address or a network such as 10.0.0.0/8`);
    list.addSubnet(network.address, network.prefix, network.family);
  }
  return (address) => {
    const version = isIP(address);
    return version !== 0 && list.check(address, version === 4 ? 'ipv4' : 'ipv6');
  };
}

function parse(text: string) {
  const [address = '', prefixText, ...more] = text.split('/');
  const version = isIP(address);
  if (version === 0 || more.length > 0) return undefined;
  const longest = version === 4 ? 32 : 128;
  if (prefixText !== undefined && !/^\d{1,3}$/.test(prefixText)) return undefined;
  const prefix = prefixText === undefined ? longest : Number(prefixText);
  if (prefix > longest) return undefined;
  return { address, prefix, family: version === 4 ? 'ipv4' : 'ipv6' } as const;
}
