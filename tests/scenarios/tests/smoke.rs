//! Sign-ups reach CometChat by themselves.

use scenarios::{eventually, Stack};

#[test]
fn a_sign_up_reaches_cometchat_and_the_login_finds_its_token() {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");

    eventually("the sign-up has a token", || stack.stored(ada).token.is_some());

    assert_eq!(stack.asked(), ["create_user"]);
    let answer = stack.session(ada).ensure(None, None, None);
    assert_eq!(Some(answer.token()), stack.stored(ada).token);
    assert_eq!(stack.asked(), [""; 0]);
}
