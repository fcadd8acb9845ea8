// Type-checks the TypeScript of a page of docs/frameworks in an example's folder, so against the real UI Kit.
//
//   node examples/shared/snippets.ts vue vue.md
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [name = '', page = ''] = process.argv.slice(2);
const example = join(import.meta.dirname, '..', name);
const text = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'frameworks', page), 'utf8');
const snippets = [...text.matchAll(/^```(tsx?)\n(.*?)^```/gms)];
if (snippets.length === 0) throw new Error(`${page} has no TypeScript`);

const folder = join(example, '.snippets');
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder);
try {
  snippets.forEach(([, kind, code], i) => writeFileSync(join(folder, `snippet${i}.${kind}`), code!));
  const own = snippets.map(([, kind], i) => `snippet${i}.${kind}`);
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({
    extends: '../tsconfig.json', compilerOptions: { noEmit: true, incremental: false }, files: own, include: [],
  }));
  const tsc = join(example, 'node_modules', 'typescript', 'bin', 'tsc');
  const { status, stdout, stderr } = spawnSync(process.execPath, [tsc, '-p', folder, '--pretty', 'false'], {
    cwd: folder, encoding: 'utf8', timeout: 200_000, maxBuffer: 1 << 26,
  });
  // React Native's kit is published as sources, which have errors of their own.
  const errors = stdout.split('\n').filter((line) => /^\S/.test(line) && !line.startsWith('../node_modules/@cometchat/'));
  if (errors.length > 0 || stderr || status === null) {
    console.error(`${page}:\n${errors.join('\n')}\n${stderr}`);
    process.exitCode = 1;
  } else {
    console.log(`${page}: ${snippets.length} checked`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
