// Vite's settings; the local CometChat is there in development when its addresses are.
import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vite';
import { localCometChatPlugin } from '../shared/node-http.ts';

const { LOCAL_COMETCHAT_API_URL: apiUrl, LOCAL_COMETCHAT_CONTROL_URL: controlUrl } = process.env;

export default defineConfig({
  // CometChat's UI Kit is that large; its files are loaded after the page.
  build: { chunkSizeWarningLimit: 3000 },
  plugins: [vue(), ...(apiUrl && controlUrl ? [localCometChatPlugin({ apiUrl, controlUrl })] : [])],
});
