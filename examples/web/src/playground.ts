// Only with the local CometChat: a switch that takes it down, to see what the page does then.
import { isReachable, setReachable } from './cometchat-local';
import { element } from './dom';

export async function startPlayground() {
  const toggle = element('reachable', HTMLInputElement);
  toggle.addEventListener('change', () => setReachable(toggle.checked));
  // Not to be clicked until it is known how things are: the answer would undo the click.
  toggle.disabled = true;
  element('playground', HTMLElement).hidden = false;
  try {
    toggle.checked = await isReachable();
  } finally {
    toggle.disabled = false;
  }
}
