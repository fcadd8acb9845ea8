// Next's settings: the packages lie in another example's folder, so that is where Turbopack may look.
import { join } from 'node:path';
import type { NextConfig } from 'next';

const config: NextConfig = { turbopack: { root: join(import.meta.dirname, '..', '..', '..') } };
export default config;
