// What went wrong, in words for the person in front of the screen.
import type { AuthError } from '@supabase/supabase-js';
import type { DatabaseErrorCode } from 'cometchat-ext';

interface Words {
  title: string;
  text: string;
}

/** By the `errorCode` of cometchat_ext's answers; CHAT_LOGIN is of cometchat-ext/session. */
const CHAT: Record<DatabaseErrorCode | 'CHAT_LOGIN', Words> = {
  NETWORK: away('There is no answer.'),
  TIMEOUT: away('It is taking too long to answer.'),
  API_ERROR: away('It answered with an error.'),
  CHAT_LOGIN: away('CometChat did not let us in just now.'),
  TOKEN_FAILED: away('CometChat could not make a key for you just now.'),
  RATE_LIMITED: { title: 'Chat is busy', text: 'There are more requests than CometChat takes. This passes within a minute.' },
  DATABASE: away('Our database could not finish this.'),
  UNAUTHORIZED: { title: 'Please log in again', text: 'Your session has ended.' },
  USER_DEACTIVATED: { title: 'Chat is closed for you', text: 'Your chat account was deactivated. Please write to support.' },
  INVALID_INPUT: { title: 'We do not know this account', text: 'It may have been deleted. Please sign up again.' },
  USER_NOT_FOUND: { title: 'CometChat does not know you yet', text: 'Try again, and chat will be set up anew.' },
  NOT_CONFIGURED: operator('CometChat is not set up on our server.'),
  API_KEY_REJECTED: operator('CometChat refuses our server’s API key.'),
  PLAN_LIMIT: operator('Our CometChat plan has no room for another user.'),
  READ_ONLY: operator('Our database is read-only at the moment.'),
};

function away(text: string): Words {
  return { title: 'Chat is away for a moment', text: `${text} Your account is fine, and nothing is lost.` };
}

function operator(text: string): Words {
  return { title: 'Chat is not available', text: `${text} That is for us to mend, not for you.` };
}

export function chatProblem(errorCode: string, queued: boolean): Words {
  const words = (CHAT as Record<string, Words>)[errorCode] ?? { title: 'Chat is not available', text: 'Something unexpected happened.' };
  // Queued: the database creates the user by itself as soon as CometChat answers again.
  if (!queued) return words;
  return {
    title: 'Chat is being set up…',
    text: 'CometChat is not available at the moment. Your account is fine, and chat follows by itself.',
  };
}

/** Supabase's own codes; its messages are good enough for what is not here. */
const ACCOUNT: Record<string, string> = {
  invalid_credentials: 'That e-mail address and password do not go together.',
  user_already_exists: 'There is an account with this e-mail address. Log in instead.',
  email_exists: 'There is an account with this e-mail address. Log in instead.',
  email_not_confirmed: 'Please confirm your e-mail address first: we sent you a link.',
  weak_password: 'That password is too easy to guess. Please take a longer one.',
  over_email_send_rate_limit: 'Too many e-mails were sent. Please wait a little.',
  over_request_rate_limit: 'That was too often. Please wait a little.',
};

export function accountProblem(error: AuthError): string {
  if (error.name === 'AuthRetryableFetchError') return 'The server does not answer. Are you online?';
  return ACCOUNT[error.code ?? ''] ?? error.message;
}

/** By the code that `signOut` answers with: CometChat or Supabase may have said no. */
export function signOutProblem(code: string): string {
  return `Not signed out. ${ACCOUNT[code] ?? chatProblem(code, false).text}`;
}
