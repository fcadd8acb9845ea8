// CometChat is down: nobody is kept from signing up, and everything arrives later by itself.
import { describe, expect, test } from 'vitest';
import { ensure, eventually, GATEWAYS, useStack } from './support.ts';

const world = useStack();

describe.each(GATEWAYS)('through %s', (gateway) => {
  test('a new person is told that they are queued, and polling succeeds once CometChat is back', async () => {
    await world.chat.listener('closed');
    const ada = await world.signUp(gateway);

    const down = await ensure(ada.client);
    expect(down).toEqual({
      success: false,
      error: 'CometChat could not be reached: connection refused',
      errorCode: 'NETWORK',
      queued: true,
    });

    await world.chat.listener('open');
    const up = await eventually('a login succeeds', async () => {
      const answer = await ensure(ada.client);
      return answer.success && answer;
    });
    expect(up.cometchatUid).toBe(ada.id);
    expect((await world.chat.user(ada.id))!.tokens).toEqual([up.authToken]);
  });

  test('a person who signed up meanwhile arrives without any call', async () => {
    await world.chat.listener('closed');
    const ada = await world.signUp(gateway);
    await world.chat.listener('open');

    const token = await world.arrived(ada);

    expect((await world.chat.user(ada.id))!.tokens).toEqual([token]);
  });

  test('whoever has a token logs in all the same, and what changed is sent later', async () => {
    const ada = await world.signUp(gateway, 'Ada Lovelace');
    const token = await world.arrived(ada);
    await world.chat.listener('closed');

    expect(await ensure(ada.client)).toEqual({ success: true, authToken: token, cometchatUid: ada.id });
    expect(await ensure(ada.client, { display_name: 'Ada King' })).toEqual({
      success: true,
      authToken: token,
      cometchatUid: ada.id,
      queued: true,
    });

    await world.chat.listener('open');
    await eventually(
      'CometChat has the new name',
      async () => (await world.chat.user(ada.id))?.name === 'Ada King',
    );
  });
});
