// An app that has installed the packed package: a folder of its own, and what can be done in it.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export const PACKAGE = dirname(import.meta.dirname);

/** Runs a program without a shell, for a minute at most; gives its output, whatever its status. */
export function run(command: string, args: string[], cwd: string): Promise<{ status: number; output: string; stdout: string }> {
  return new Promise((resolve) => {
    execFile(command, args, { cwd, timeout: 60_000, maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
      const status = error ? (typeof error.code === 'number' ? error.code : 1) : 0;
      resolve({ status, output: stdout + stderr, stdout });
    });
  });
}

/** Runs the command-line tool of an installed package. */
export function tool(name: string, args: string[], cwd = PACKAGE): ReturnType<typeof run> {
  return run(join(PACKAGE, 'node_modules', '.bin', name), args, cwd);
}

export class Consumer {
  private constructor(
    readonly folder: string,
    readonly tarball: string,
    /** The paths of the tarball, as npm lists them. */
    readonly files: string[],
  ) {}

  /** Builds and packs the package as for publishing, and installs the tarball, without a network. */
  static async create(): Promise<Consumer> {
    const folder = await mkdtemp(join(tmpdir(), 'cometchat-ext-'));
    try {
      return await Consumer.install(folder);
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  private static async install(folder: string): Promise<Consumer> {
    const packed = await run('npm', ['pack', '--json', '--pack-destination', folder], PACKAGE);
    if (packed.status !== 0) throw new Error(`npm pack: ${packed.output}`);
    const [{ filename, files }] = JSON.parse(packed.stdout.slice(packed.stdout.indexOf('[\n')));
    const consumer = new Consumer(folder, join(folder, filename), files.map((file: { path: string }) => file.path).sort());

    await consumer.write('package.json', '{ "name": "consumer", "private": true }');
    const installed = await run('npm', ['install', '--offline', '--legacy-peer-deps', consumer.tarball], folder);
    if (installed.status !== 0) throw new Error(`npm install: ${installed.output}`);
    // The peers, as the app would have them; and Node's types, for its type checks.
    for (const scope of ['@supabase', '@types', 'react']) {
      await symlink(join(PACKAGE, 'node_modules', scope), join(folder, 'node_modules', scope));
    }
    return consumer;
  }

  async write(path: string, text: string): Promise<void> {
    await mkdir(dirname(join(this.folder, path)), { recursive: true });
    await writeFile(join(this.folder, path), text);
  }

  /** What is installed, not what lies in this repository. */
  read(path: string): Promise<string> {
    return readFile(join(this.folder, 'node_modules', 'cometchat-ext', path), 'utf8');
  }

  /** Resolves as CommonJS does, from within the app. */
  resolve(specifier: string): string {
    return createRequire(join(this.folder, 'app.cjs')).resolve(specifier);
  }

  node(file: string, ...args: string[]): ReturnType<typeof run> {
    return run(process.execPath, [file, ...args], this.folder);
  }

  /** Type-checks files, as strictly as can be. */
  async typecheck(files: string[], options: Record<string, unknown>): Promise<string> {
    const compilerOptions = {
      strict: true, exactOptionalPropertyTypes: true, noEmit: true, skipLibCheck: true,
      target: 'ES2022', lib: ['ES2022', 'DOM'], types: [], ...options,
    };
    await this.write('tsconfig.json', JSON.stringify({ compilerOptions, files }));
    return (await tool('tsc', ['-p', 'tsconfig.json'], this.folder)).output;
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
