// How the examples' tests run: one example, one browser, one after the other, as some switch CometChat off.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { include: ['tests/**/*.test.ts'], fileParallelism: false, testTimeout: 120_000, hookTimeout: 400_000, reporters: ['verbose'] },
});
