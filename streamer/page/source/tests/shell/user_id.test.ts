import { equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { problemOf, visible } from "../../parts/user_id";

test("characters that would falsify an id are written out, and all others stay", () => {
  equal(visible("id\u202eevil\u0000"), "id\\u{202e}evil\\u{0}");
  equal(visible("a\u2028b\ud800"), "a\\u{2028}b\\u{d800}");
  equal(visible("Zoë שלום 😀"), "Zoë שלום 😀");
});

test("an id has as many bytes as a play may name, however few characters they are", () => {
  equal(problemOf("x".repeat(256)), null);
  ok(problemOf("x".repeat(257))?.includes("257"));
  ok(problemOf("é".repeat(129))?.includes("258"));
});
