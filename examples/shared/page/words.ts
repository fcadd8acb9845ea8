// The state of chat in words for the person in front of the screen. examples/web/src/words.ts has more of them.

/** `ChatState` of cometchat-ext/session. */
type State = { status: string; errorCode?: string; queued?: boolean };

export function words({ status, errorCode, queued }: State): string {
  switch (status) {
    case 'connected': return 'You can chat';
    case 'waiting': return queued ? 'Chat is being set up…' : 'Chat is away for a moment';
    case 'failed': return errorCode === 'USER_DEACTIVATED' ? 'Chat is closed for you' : `Chat is not available (${errorCode})`;
    default: return 'Connecting to chat…';
  }
}
