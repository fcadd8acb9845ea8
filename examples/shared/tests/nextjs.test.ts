// examples/nextjs in a browser, and what its server renders.
import { expect, test } from 'vitest';
import { tour, type Tour } from './tour.ts';

const rendered = (at: Tour) =>
  test('the server knows after a reload who is signed in, and keeps the token of chat out of the page', async () => {
    const ada = at.visitor;
    await ada.signUp('Ada Lovelace');
    await ada.chatSays('You can chat');
    const html = await (await ada.page.context().request.get(at.page)).text();
    expect(html, 'rendered on the server').toContain('Hello, <!-- -->Ada Lovelace');
    expect(html).not.toContain(`${await ada.fact('uid').innerText()}_`);
  });

tour('nextjs', { more: rendered });
