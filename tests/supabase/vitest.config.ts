// One stack for each file of tests, two files at a time.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    maxWorkers: 2,
    testTimeout: 40_000,
    hookTimeout: 120_000,
    retry: 1, // tools/test.sh names those that needed it
    reporters: ['verbose'],
    taskTitleValueFormatTruncate: 0, // test names in full
    // What @supabase/lite logs of refused requests matters only where a test fails.
    silent: 'passed-only',
  },
});
