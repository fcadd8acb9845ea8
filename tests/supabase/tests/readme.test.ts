// The README's TypeScript, run as it stands there by somebody who has just signed up.
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { describe, expect, test } from 'vitest';
import { createCometChatAuth } from '../../../clients/typescript/src/index.ts';
import { GATEWAYS, useStack, type Person } from './support.ts';

const world = useStack();

const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
const snippets = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code!);

/** CometChat's UI Kit, as far as the snippets use it: it asks CometChat whether the token is good. */
class UIKit {
  loggedIn: string | undefined;
  readonly #person: Person;

  constructor(person: Person) {
    this.#person = person;
  }

  async loginWithAuthToken(token: string): Promise<void> {
    const user = await world.chat.user(this.#person.id);
    if (!user?.tokens.includes(token)) throw new Error('CometChat does not know this token');
    this.loggedIn = user.name;
  }
}

async function run(snippet: string, person: Person, kit: UIKit, said: string[]): Promise<void> {
  const code = stripTypeScriptTypes(snippet.replace("import { createCometChatAuth } from 'cometchat-ext';", ''));
  expect(code).not.toMatch(/^import /m);
  const say = (...words: unknown[]) => said.push(words.join(' '));
  const names = ['supabase', 'CometChatUIKit', 'createCometChatAuth', 'console'];
  const program = new Function(...names, `return (async () => {${code}})()`);
  await program(person.client, kit, createCometChatAuth, { info: say, error: say });
}

test('there are two snippets: with supabase-js alone, and with the client', () => {
  expect(snippets.map((code) => code.includes('createCometChatAuth'))).toEqual([false, true]);
});

describe.each(GATEWAYS)('through %s', (gateway) => {
  test.each([0, 1])('snippet %i logs in to chat who has just signed up', async (number) => {
    const ada = await world.signUp(gateway, 'Somebody');
    const kit = new UIKit(ada);
    const said: string[] = [];

    await run(snippets[number]!, ada, kit, said);

    expect(kit.loggedIn).toBe('Ada Lovelace');
    expect(said).toEqual([]);
  });

  test('the client waits for CometChat to come back, and logs in then', async () => {
    await world.chat.listener('closed');
    const ada = await world.signUp(gateway);
    const kit = new UIKit(ada);
    setTimeout(() => void world.chat.listener('open'), 1500);

    await run(snippets[1]!, ada, kit, []);

    expect(kit.loggedIn).toBe('Ada Lovelace');
  });

  test('what cannot be mended is said with its code', async () => {
    const ada = await world.signUp(gateway);
    await ada.client.auth.signOut();
    const kit = new UIKit(ada);
    const said: string[] = [];

    await run(snippets[1]!, ada, kit, said);

    expect(kit.loggedIn).toBeUndefined();
    expect(said.join()).toMatch(/^UNAUTHORIZED /);
  });
});
