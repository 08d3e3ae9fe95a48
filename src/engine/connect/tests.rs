//! Files of SQLite become extracts; servers are tried in `tests/it`.

use super::*;

#[test]
fn a_query_stands_in_another_with_its_comment_and_its_semicolon() {
    assert_eq!(subquery("SELECT 1 ;  "), "(SELECT 1 \n)");
    assert_eq!(subquery("SELECT 1 -- one"), "(SELECT 1 -- one\n)");
}

#[test]
fn names_are_quoted_with_the_quotes_that_stand_in_them() {
    assert_eq!(full_name(Some("a.b"), "c\"d", '"'), "\"a.b\".\"c\"\"d\"");
    assert_eq!(full_name(None, "c`d", '`'), "`c``d`");
}
