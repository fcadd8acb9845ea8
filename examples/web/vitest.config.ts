// How the tests run: on one stack, one after the other, as some of them switch CometChat off.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/support/stack.ts',
    fileParallelism: false,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    retry: 1, // tools/test.sh names those that needed it,
    reporters: ['verbose'], // which this one shows
  },
});
