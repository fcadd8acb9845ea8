// How the tests run: one stack, one browser, one after the other.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { include: ['test/**/*.test.ts'], fileParallelism: false, testTimeout: 60_000, hookTimeout: 120_000, reporters: ['verbose'] },
});
