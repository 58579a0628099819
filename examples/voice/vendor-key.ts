// The vendor's long-lived key and where short-lived ones are made of it: from the server's environment, never
// in an answer, a log line or the page.

export type VendorKey = { readonly apiKey: string; readonly mintUrl?: string };

/** Undefined where the operator has set no key: then the routes that need it say so. */
export function vendorKey(): VendorKey | undefined {
  const apiKey = process.env['SPEECHMATICS_API_KEY'];
  const mintUrl = process.env['SPEECHMATICS_MINT_URL'];
  if (!apiKey) return undefined;
  return { apiKey, ...(mintUrl ? { mintUrl } : {}) };
}
