// Vite's settings: the local CometChat is there when its addresses are (tools/example.sh gives them).
import { defineConfig } from 'vite';
import { localCometChat } from './local-cometchat.ts';

const { LOCAL_COMETCHAT_API_URL: apiUrl, LOCAL_COMETCHAT_CONTROL_URL: controlUrl } = process.env;

export default defineConfig({
  // CometChat's SDK is that large; it is a file of its own, loaded after the page.
  build: { chunkSizeWarningLimit: 700 },
  plugins: apiUrl && controlUrl ? [localCometChat({ apiUrl, controlUrl })] : [],
});
