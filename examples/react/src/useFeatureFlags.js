import { ProviderEvents, useOpenFeatureClient } from '@openfeature/react-sdk';
import { useEffect, useReducer } from 'react';
import { fromPage } from './flags.js';

const CHANGES = [ProviderEvents.Ready, ProviderEvents.ConfigurationChanged, ProviderEvents.ContextChanged];

export function useFeatureFlags() {
  const client = useOpenFeatureClient();
  const [, render] = useReducer((count) => count + 1, 0);
  useEffect(() => {
    const mounted = new AbortController();
    CHANGES.forEach((event) => client.addHandler(event, render, { signal: mounted.signal }));
    return () => mounted.abort();
  }, [client]);
  return { isEnabled: (key) => client.getBooleanValue(key, fromPage(key, false)) };
}
