// Compiles src/ with tsc alone: dist/esm as ES modules, dist/cjs as CommonJS, each with its types.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const here = import.meta.dirname;
const dist = join(here, 'dist');
const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');

// Built beside dist and put in its place at the end: whoever uses it meanwhile misses nothing.
const fresh = mkdtempSync(join(here, '.build-'));
try {
  for (const [folder, module] of [['esm', 'esnext'], ['cjs', 'commonjs']]) {
    execFileSync(
      process.execPath,
      [compiler, '-p', join(here, 'tsconfig.build.json'), '--module', module, '--outDir', join(fresh, 'new', folder)],
      { stdio: 'inherit', timeout: 120_000 },
    );
  }
  // The package's own "type" is module: this says that the files beside it are not.
  writeFileSync(join(fresh, 'new', 'cjs', 'package.json'), '{ "type": "commonjs" }\n');
  if (existsSync(dist)) renameSync(dist, join(fresh, 'old'));
  renameSync(join(fresh, 'new'), dist);
} finally {
  rmSync(fresh, { recursive: true, force: true });
}
