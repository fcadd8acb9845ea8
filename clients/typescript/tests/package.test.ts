// The package as it would be published: packed, installed into an app, and used from there.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Consumer, PACKAGE, tool } from './consumer.js';
import { ADA, Postgrest, SUCCESS } from './postgrest.js';

let app: Consumer;
let postgrest: Postgrest;
beforeAll(async () => {
  postgrest = await Postgrest.start();
  app = await Consumer.create();
});
afterAll(async () => {
  await postgrest?.stop();
  await app?.remove();
});

/** An app that asks for a user with both entry points, and prints what it gets. */
const program = `
  const supabase = createClient(process.argv[2], 'anon-key', { auth: { persistSession: false } });
  const service = new ClientChatService(supabase);
  Promise.all([createCometChatAuth(supabase).ensureUser(), service.ensureUser('${ADA}')])
    .then((answers) => console.log(JSON.stringify(answers)));
`;

describe('used from an app', () => {
  test('as ES modules', async () => {
    postgrest.answers({ body: SUCCESS });
    await app.write('app.mjs', `
      import { createClient } from '@supabase/supabase-js';
      import { createCometChatAuth } from 'cometchat-ext';
      import { ClientChatService } from 'cometchat-ext/client-chat-service';
      ${program}`);
    const { output } = await app.node('app.mjs', postgrest.url);
    expect(output.trim()).toBe(JSON.stringify([SUCCESS, SUCCESS]));
  });

  test('as CommonJS', async () => {
    postgrest.answers({ body: SUCCESS });
    await app.write('app.cjs', `
      const { createClient } = require('@supabase/supabase-js');
      const { createCometChatAuth } = require('cometchat-ext');
      const { ClientChatService } = require('cometchat-ext/client-chat-service');
      ${program}`);
    const { output } = await app.node('app.cjs', postgrest.url);
    expect(output.trim()).toBe(JSON.stringify([SUCCESS, SUCCESS]));
  });

  test('both forms export the same', async () => {
    await app.write('exports.mjs', `
      import { createRequire } from 'node:module';
      const require = createRequire(import.meta.url);
      for (const name of ['cometchat-ext', 'cometchat-ext/client-chat-service', 'cometchat-ext/session', 'cometchat-ext/react']) {
        console.log(JSON.stringify([Object.keys(await import(name)).sort(), Object.keys(require(name)).sort()]));
      }`);
    const { output } = await app.node('exports.mjs');
    expect(output.trim().split('\n').map((line) => JSON.parse(line))).toEqual([
      [['createCometChatAuth', 'isTransient'], ['createCometChatAuth', 'isTransient']],
      [['ClientChatService'], ['ClientChatService']],
      ...[['connectToChat', 'followSession', 'signOut', 'uiKitChat'], ['CometChatProvider', 'useCometChat']].map((names) => [names, names]),
    ]);
  });

  const types = `
    import { createClient } from '@supabase/supabase-js';
    import { createCometChatAuth, type CometChatDatabase } from 'cometchat-ext';
    import { ClientChatService } from 'cometchat-ext/client-chat-service';
    const supabase = createClient<CometChatDatabase>('http://localhost', 'key');
    createCometChatAuth(supabase).ensureUser().then((answer) => {
      const token: string = answer.success ? answer.authToken : answer.error;
      // @ts-expect-error a failure has no token: so these are our types, not any
      const wrong: string = answer.authToken;
    });
    new ClientChatService(supabase).ensureUser('id');`;
  test.each([
    ['an ES module under nodenext', 'types.mts', { module: 'nodenext' }],
    ['CommonJS under nodenext', 'types.cts', { module: 'nodenext' }],
    ['a bundler', 'types.ts', { module: 'esnext', moduleResolution: 'bundler' }],
  ])('with types, in %s', async (_, file, options) => {
    await app.write(file, types);
    expect(await app.typecheck([file], options)).toBe('');
  });

  test('its types hold without skipLibCheck', async () => {
    await app.write('lib.mts', "import 'cometchat-ext'; import 'cometchat-ext/client-chat-service'; import 'cometchat-ext/react';");
    expect(await app.typecheck(['lib.mts'], { module: 'nodenext', skipLibCheck: false })).toBe('');
  });

  test('its types name no other package', async () => {
    for (const file of ['index.d.ts', 'client.d.ts', 'outcome.d.ts', 'database.d.ts', 'session.d.ts', 'ui-kit.d.ts']) {
      expect(await app.read(`dist/esm/${file}`)).not.toMatch(/from '@supabase|<reference/);
    }
  });

  /** Type-checks the TypeScript of a page, each piece as a file of its own that begins with `head`. */
  async function checkExamples(page: string, head = ''): Promise<string> {
    const examples = [...page.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => `${head}${code}`);
    expect(examples.length).toBeGreaterThan(1);
    await app.write('uikit.d.ts', `declare module '@cometchat/chat-uikit-react' {
      interface User { getUid(): string; getName(): string }
      export const CometChatUIKit: { loginWithAuthToken(authToken: string): Promise<User>; logout(): Promise<void> };
    }`);
    const files = await Promise.all(examples.map(async (code, i) => {
      await app.write(`example${i}.mts`, code);
      return `example${i}.mts`;
    }));
    return app.typecheck([...files, 'uikit.d.ts'], { module: 'nodenext' });
  }

  test("the README's examples type-check", async () => {
    expect(await checkExamples(await app.read('README.md'))).toBe('');
  });

  test.each(['SupabaseClient', 'SupabaseClient<CometChatDatabase>'])(
    "and so do those of the repository's README, with a %s",
    async (type) => {
      const head = `
        import { CometChatUIKit } from '@cometchat/chat-uikit-react';
        import type { SupabaseClient } from '@supabase/supabase-js';
        import type { CometChatDatabase } from 'cometchat-ext';
        declare const supabase: ${type};
      `;
      expect(await checkExamples(await readFile(join(PACKAGE, '..', '..', 'README.md'), 'utf8'), head)).toBe('');
    },
  );
});

describe('what is in it', () => {
  test('the two builds and their papers, nothing else', () => {
    const modules = ['answers', 'client', 'client-chat-service', 'codes', 'database', 'index', 'outcome', 'react', 'retry', 'session', 'ui-kit'];
    const built = ['esm', 'cjs'].flatMap((form) => modules.flatMap((name) => [`dist/${form}/${name}.js`, `dist/${form}/${name}.d.ts`]));
    expect(app.files).toEqual(
      [
        ...built,
        'dist/cjs/package.json',
        ...['client-chat-service', 'session', 'react'].map((entry) => `${entry}/package.json`),
        ...['package.json', 'README.md', 'CHANGELOG.md', 'LICENSE'],
      ].sort(),
    );
  });

  test('no dependencies but the peers', async () => {
    const { dependencies, peerDependencies, sideEffects } = JSON.parse(await app.read('package.json'));
    expect({ dependencies, peerDependencies, sideEffects }).toEqual({
      dependencies: undefined,
      peerDependencies: { '@supabase/supabase-js': '^2', react: '>=18' },
      sideEffects: false,
    });
  });

  test("the repository's licence", async () => {
    const ours = join(PACKAGE, '..', '..', 'LICENSE');
    expect(existsSync(ours)).toBe(true);
    expect(await app.read('LICENSE')).toBe(await readFile(ours, 'utf8'));
  });

  test('tools that do not know exports find the same files', () => {
    const folder = join(app.folder, 'node_modules', 'cometchat-ext');
    for (const entry of ['client-chat-service', 'session', 'react']) {
      expect(app.resolve(join(folder, entry))).toBe(app.resolve(`cometchat-ext/${entry}`));
    }
    expect(app.resolve(folder)).toBe(app.resolve('cometchat-ext'));
  });

  test.each([
    ['cometchat-ext', 3000],
    ['cometchat-ext/client-chat-service', 3000],
    ['cometchat-ext/session', 4000],
    ['cometchat-ext/react', 4500],
  ])('%s is less than %i bytes in a bundle', async (name, limit) => {
    const { outputFiles } = await build({
      stdin: { contents: `export * from '${name}'`, resolveDir: app.folder },
      bundle: true, minify: true, format: 'esm', write: false, external: ['react'],
    });
    const bytes = gzipSync(outputFiles[0]?.contents ?? '').length;
    console.info(`${name}: ${outputFiles[0]?.contents.length} bytes minified, ${bytes} gzipped`);
    expect(bytes).toBeGreaterThan(500);
    expect(bytes).toBeLessThan(limit);
  });

  test('it has no side effects, as it says: unused, it leaves nothing in a bundle', async () => {
    const { outputFiles } = await build({
      stdin: { contents: "import 'cometchat-ext'; import 'cometchat-ext/client-chat-service'; import 'cometchat-ext/session'", resolveDir: app.folder },
      bundle: true, minify: true, format: 'esm', write: false, logLevel: 'silent',
      ignoreAnnotations: true, // do not take its word for it
    });
    expect(outputFiles[0]?.text.trim()).toBe('');
  });
});

describe('judged by others', () => {
  test('publint has nothing to say', async () => {
    const { status, output } = await tool('publint', ['run', app.tarball, '--strict']);
    expect(output).toContain('All good');
    expect(status, output).toBe(0);
  });

  test('are the types wrong? no, not in any way of resolving them', async () => {
    const { status, stdout, output } = await tool('attw', [app.tarball, '--format', 'json', '--profile', 'strict']);
    expect(status, output).toBe(0);
    const { analysis, problems } = JSON.parse(stdout);
    expect(Object.keys(analysis.entrypoints)).toEqual(['.', './client-chat-service', './session', './react', './package.json']);
    expect(problems ?? {}).toEqual({});
  });
});
