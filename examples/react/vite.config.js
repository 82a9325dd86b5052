import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [react()],
  build: { modulePreload: { polyfill: false } },
  // `npm run dev` keeps the page's own origin; the flags come from serve.py.
  server: { proxy: { '/ofrep': 'http://127.0.0.1:8000' } },
});
