// Next's settings: cometchat-ext lies beside this folder, so that is where Turbopack may look.
import { join } from 'node:path';
import type { NextConfig } from 'next';

const config: NextConfig = {
  turbopack: { root: join(import.meta.dirname, '..', '..') },
  experimental: { externalDir: true },
};
export default config;
