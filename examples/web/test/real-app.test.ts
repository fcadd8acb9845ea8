// With a real CometChat app: that its own SDK gets the right app, region and token. CometChat is not
// there to answer, so the browser's requests to it are looked at, and then refused.
import { expect, inject, test } from 'vitest';
import { cometChat } from './support/cometchat.ts';
import { REAL_APP } from './support/stack.ts';
import { chatOf, chatSays, signUp, visit } from './support/visitor.ts';

test('the SDK is loaded, and takes the token to that app, in that region', async () => {
  const rhea = await visit({}, 'about:blank');
  const asked: { host: string; token: string | undefined }[] = [];
  await rhea.page.route(/cometchat\.io/, async (route) => {
    const request = route.request();
    asked.push({ host: new URL(request.url()).host, token: request.headers()['authtoken'] });
    await route.abort('connectionrefused');
  });
  await rhea.page.goto(inject('addresses').realAppPage);
  await signUp(rhea, 'Rhea Real');
  await chatSays(rhea, 'Chat is away for a moment');
  await chatOf(rhea).getByRole('button', { name: 'Try now' }).waitFor();

  const withToken = asked.filter(({ token }) => token);
  expect(new Set(withToken.map(({ host }) => host))).toEqual(
    new Set([`${REAL_APP.id}.apiclient-${REAL_APP.region}.cometchat.io`]),
  );
  const uid = withToken[0]!.token!.split('_')[0]!;
  expect((await cometChat.user(uid)).tokens).toContain(withToken[0]!.token);
  expect(await rhea.page.getByRole('switch').isVisible(), 'the playground').toBe(false);
  rhea.forgiven.push(/cometchat\.io/);
});
