// As much of the types of @cometchat/cards-angular as the UI Kit names.
export type CometChatCardThemeMode = 'auto' | 'light' | 'dark';
export type CometChatCardThemeOverride = Record<string, unknown>;
export type CometChatCardAction = Record<string, unknown>;
export interface CometChatCardActionEvent { action: CometChatCardAction }
export declare class CometChatCardViewComponent {}
