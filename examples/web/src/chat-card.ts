// The card that shows how chat is doing: state, uid, token, and the name that CometChat has.
import type { ChatState } from 'cometchat-ext/session';
import { element } from './dom';
import { chatProblem } from './words';

const card = element('chat', HTMLElement);
const badge = element('chat-badge', HTMLElement);
const title = element('chat-title', HTMLElement);
const text = element('chat-text', HTMLElement);
const facts = element('chat-facts', HTMLElement);
const steps = element('chat-steps', HTMLElement);
const code = element('chat-code', HTMLElement);
const retry = element('chat-retry', HTMLButtonElement);
const newToken = element('chat-new-token', HTMLButtonElement);

const BADGES: Record<ChatState['status'], string> = {
  'signed-out': 'Signed out',
  connecting: 'Connecting…',
  connected: 'Connected',
  waiting: 'Trying again…',
  failed: 'Not connected',
};

/** `where` is the CometChat that is logged in at. */
export function chatCard(where: string) {
  return {
    show(state: ChatState) {
      card.dataset.status = state.status;
      card.setAttribute('aria-busy', String(state.status === 'connecting'));
      badge.textContent = BADGES[state.status];
      facts.hidden = newToken.hidden = state.status !== 'connected';
      steps.hidden = state.status === 'connected';
      retry.hidden = code.hidden = state.status !== 'waiting' && state.status !== 'failed';
      showSteps(state);
      const words = wordsFor(state, where);
      title.textContent = words.title;
      text.textContent = words.text;
      if (state.status !== 'connected') return;
      element('chat-name', HTMLElement).textContent = state.user.name;
      element('chat-uid', HTMLElement).textContent = state.user.uid;
      element('chat-token', HTMLElement).textContent = shortened(state.authToken);
      element('chat-initials', HTMLElement).textContent = initials(state.user.name);
    },
    onRetry: (action: () => void) => retry.addEventListener('click', action),
    onNewToken: (action: () => void) => newToken.addEventListener('click', action),
  };
}

/** How far it has come: the account is always there, or this card would not be seen. */
function showSteps(state: ChatState) {
  const problem = state.status === 'waiting' || state.status === 'failed' ? state : undefined;
  // Without a token there is no chat user yet, as far as this page knows.
  const hasToken = problem?.errorCode === 'CHAT_LOGIN';
  setStep('account', 'done');
  setStep('user', hasToken ? 'done' : problem?.queued ? 'queued in the database' : '');
  setStep('login', hasToken ? 'not let in yet' : '');
  code.textContent = problem ? `${problem.errorCode}${problem.queued ? ', queued' : ''}` : '';
}

function setStep(name: 'account' | 'user' | 'login', note: string) {
  const step = element(`step-${name}`, HTMLElement);
  step.dataset.done = String(note === 'done');
  step.dataset.current = String(note !== '' && note !== 'done');
  step.querySelector('span')!.textContent = note;
}

function wordsFor(state: ChatState, where: string): { title: string; text: string } {
  switch (state.status) {
    case 'connected':
      if (!state.profileQueued) return { title: 'You can chat', text: `Logged in at ${where}.` };
      return { title: 'You can chat', text: 'Your new name is on its way to CometChat.' };
    case 'waiting':
    case 'failed':
      return chatProblem(state.errorCode, state.queued);
    case 'connecting':
      return { title: 'Connecting to chat…', text: 'Asking the database for your token.' };
    case 'signed-out':
      return { title: 'Signed out', text: '' };
  }
}

/** SECURITY: a token is a password; the page shows enough to tell two of them apart, and no more. */
const shortened = (token: string) => `${token.slice(0, 4)}…${token.slice(-6)}`;

function initials(name: string) {
  const words = name.split(/\s+/u).filter(Boolean);
  return [words.at(0), words.length > 1 ? words.at(-1) : undefined]
    .map((word) => (word ? [...word][0]!.toUpperCase() : ''))
    .join('');
}
