// The local CometChat: what logs in there, and the switch that takes it down.
export { localCometChat } from '../../shared/local-chat';

/** The switch of the playground: whether CometChat answers at all. */
export async function isReachable(): Promise<boolean> {
  const state = await (await fetch('/local-cometchat/listener')).json();
  return state.state === 'open';
}

export async function setReachable(reachable: boolean): Promise<void> {
  await fetch('/local-cometchat/listener', {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ state: reachable ? 'open' : 'closed' }),
  });
}
