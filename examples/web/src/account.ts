// Supabase's side of the page: sign-up, log-in, profile, sign-out. Nothing here is about chat.
import type { Session } from '@supabase/supabase-js';
import { signOut } from 'cometchat-ext/session';
import { element, onSubmit } from './dom';
import { supabase } from './supabase';
import { accountProblem, signOutProblem } from './words';

const signedOutView = element('signed-out', HTMLElement);
const signedInView = element('signed-in', HTMLElement);
const signUpForm = element('sign-up', HTMLFormElement);
const logInForm = element('log-in', HTMLFormElement);
const profileForm = element('profile', HTMLFormElement);
const signOutForm = element('sign-out', HTMLFormElement);
const notice = element('account-notice', HTMLElement);

/** `stillSignedIn` is called after a sign-out that failed: chat may have lost its token by then. */
export function startAccount({ stillSignedIn }: { stillSignedIn: () => void }) {
  for (const [button, form] of [['show-sign-up', signUpForm], ['show-log-in', logInForm]] as const) {
    element(button, HTMLButtonElement).addEventListener('click', () => choose(form));
  }

  onSubmit(signUpForm, async ({ name, email, password }) => {
    const { data, error } = await supabase.auth.signUp({
      email: email!,
      password: password!,
      options: { data: { display_name: name } },
    });
    if (error) return accountProblem(error);
    // With e-mail confirmation there is no session yet; the database has queued the chat user already.
    if (!data.session) notice.textContent = `Almost there: open the link that we sent to ${email}.`;
    return undefined;
  });

  onSubmit(logInForm, async ({ email, password }) => {
    const { error } = await supabase.auth.signInWithPassword({ email: email!, password: password! });
    return error ? accountProblem(error) : undefined;
  });

  onSubmit(profileForm, async ({ name }) => {
    const { error } = await supabase.auth.updateUser({ data: { display_name: name } });
    return error ? accountProblem(error) : undefined;
  });

  onSubmit(signOutForm, async ({ everywhere }) => {
    const errorCode = await signOut(supabase, everywhere === 'on');
    if (!errorCode) return undefined;
    stillSignedIn();
    return signOutProblem(errorCode);
  });

  supabase.auth.onAuthStateChange((event, session) => {
    if (event === 'SIGNED_OUT') choose(logInForm);
    show(session);
  });
}

function show(session: Session | null) {
  signedOutView.hidden = session !== null;
  signedInView.hidden = session === null;
  document.documentElement.dataset.ready = 'true';
  if (!session) return;
  notice.textContent = '';
  signUpForm.reset();
  logInForm.reset();
  const name = String(session.user.user_metadata.display_name ?? '');
  element('greeting', HTMLElement).textContent = name ? `Hello, ${name}` : 'Hello';
  element('account-email', HTMLElement).textContent = session.user.email ?? '';
  const field = element('profile-name', HTMLInputElement);
  if (document.activeElement !== field) field.value = name;
}

/** Shows one of the two forms. */
function choose(form: HTMLFormElement) {
  signUpForm.hidden = form !== signUpForm;
  logInForm.hidden = form !== logInForm;
  element('show-sign-up', HTMLButtonElement).setAttribute('aria-pressed', String(form === signUpForm));
  element('show-log-in', HTMLButtonElement).setAttribute('aria-pressed', String(form === logInForm));
  notice.textContent = '';
}
