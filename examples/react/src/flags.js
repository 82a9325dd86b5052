import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
import { OpenFeature } from '@openfeature/react-sdk';

const page = JSON.parse(document.getElementById('flags').textContent);
const values = new Map(page?.flags.map((flag) => [flag.key, flag.value]));

/** The value that the server wrote into the page for this user; `otherwise` if it wrote none. */
export const fromPage = (key, otherwise) => values.get(key) ?? otherwise;

/** Connects to the flag server. Nothing waits for it: until it answers, the page's values count. */
export function connect() {
  const provider = new OFREPWebProvider({
    baseUrl: page?.server ?? window.location.origin,
    // The page's values are newer than those of the last visit, which then only count if the server can't be reached.
    cacheMode: page ? 'network-first' : 'local-cache-first',
  });
  OpenFeature.setProvider(provider, page?.context ?? { targetingKey: 'anonymous' });
}
