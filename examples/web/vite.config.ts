// Vite's settings: the local CometChat is there when its addresses are (tools/example.sh gives them).
import { defineConfig } from 'vite';
import { localCometChatPlugin } from '../shared/node-http.ts';

const { LOCAL_COMETCHAT_API_URL: apiUrl, LOCAL_COMETCHAT_CONTROL_URL: controlUrl } = process.env;
const local = apiUrl && controlUrl ? { apiUrl, controlUrl } : undefined;

export default defineConfig({
  // CometChat's SDK is that large; it is a file of its own, loaded after the page.
  build: { chunkSizeWarningLimit: 700 },
  // The page asks for it: without a local CometChat it must be set up for a real one.
  define: { 'import.meta.env.LOCAL_COMETCHAT': JSON.stringify(local !== undefined) },
  plugins: local ? [localCometChatPlugin(local)] : [],
});
