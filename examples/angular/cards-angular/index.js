// Stands in for @cometchat/cards-angular, which CometChat's UI Kit 5.2.1 for Angular imports and which npm's
// registry did not have when this was written: shows nothing where the kit would show a card. Once
// `npm view @cometchat/cards-angular` knows it, install that one, and remove this folder.
import * as i0 from '@angular/core';

export class CometChatCardViewComponent {}
CometChatCardViewComponent.ɵfac = i0.ɵɵngDeclareFactory({
  minVersion: '12.0.0', version: '21.2.26', ngImport: i0, type: CometChatCardViewComponent, deps: [],
  target: i0.ɵɵFactoryTarget.Component,
});
CometChatCardViewComponent.ɵcmp = i0.ɵɵngDeclareComponent({
  minVersion: '14.0.0', version: '21.2.26', ngImport: i0, type: CometChatCardViewComponent, isStandalone: true,
  selector: 'cometchat-card-view', template: '', isInline: true,
});
