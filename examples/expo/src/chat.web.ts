// In a browser CometChat's UI Kit for React Native does not run, as its video, clipboard and localize modules
// are native: the web build stands for the app around it, and logs in at the local CometChat of the tests.
export { localCometChat as chat } from '../../shared/local-chat';

export async function unregisterForPush() {}
