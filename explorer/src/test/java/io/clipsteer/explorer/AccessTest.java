// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.NullSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every rule of access, attacked. */
final class AccessTest {
  private static final Access ACCESS = Access.with(Set.of("lab.example"));
  private static final String HOST = "127.0.0.1:8123";

  private static Access.Request write(
      @Nullable String origin,
      @Nullable String site,
      @Nullable String header,
      @Nullable String cookie) {
    return new Access.Request(true, HOST, origin, site, header, cookie);
  }

  private static Access.Request read(@Nullable String host, @Nullable String cookie) {
    return new Access.Request(false, host, null, null, null, cookie);
  }

  @Test
  void aBrowserOfThisMachineIsLetIn() {
    String key = ACCESS.session();
    assertNull(ACCESS.refusal(read(HOST, key)));
    assertNull(ACCESS.refusal(read("localhost:1", key)));
    assertNull(ACCESS.refusal(read("[::1]:65535", key)));
    assertNull(ACCESS.refusal(read("LAB.example", key)));
    assertNull(ACCESS.refusal(write("http://" + HOST, "same-origin", "1", key)));
    // A script without a browser sends neither.
    assertNull(ACCESS.refusal(write(null, null, "1", key)));
  }

  @ParameterizedTest
  @NullSource
  @ValueSource(
      strings = {
        "",
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:80",
        "evil-localhost",
        "127.0.0.256",
        "127.0.0",
        "0.0.0.0",
        "[::]",
        "[::ffff:10.0.0.1]",
        "127.0.0.1:8123@evil.example",
        "127.0.0.1/evil",
        "127.0.0.1 evil",
        "lab.example.evil.example",
        "2130706433",
        "0x7f000001"
      })
  void otherHostsAreRefused(String host) {
    String refusal = ACCESS.refusal(read(host, ACCESS.session()));
    assertNotNull(refusal);
    assertTrue(refusal.contains("host name"), refusal);
  }

  @ParameterizedTest
  @NullSource
  @ValueSource(strings = {"", " ", "x"})
  void withoutTheCookieNothingIsShown(String cookie) {
    assertNotNull(ACCESS.refusal(read(HOST, cookie)));
    assertNotNull(ACCESS.refusal(read(HOST, ACCESS.link().get())), "the link's key is no cookie");
    assertNotNull(ACCESS.refusal(read(HOST, ACCESS.session() + "x")));
  }

  @Test
  void strangersPagesWriteNothing() {
    String key = ACCESS.session();
    assertNotNull(ACCESS.refusal(write("http://evil.example", "same-origin", "1", key)));
    assertNotNull(ACCESS.refusal(write("http://localhost:8123", null, "1", key)), "another origin");
    assertNotNull(ACCESS.refusal(write("http://127.0.0.1:9", null, "1", key)), "another port");
    assertNotNull(ACCESS.refusal(write("https://" + HOST, null, "1", key)), "another scheme");
    assertNotNull(ACCESS.refusal(write("null", null, "1", key)), "a sandboxed frame");
    for (String site : new String[] {"cross-site", "same-site", "none", ""}) {
      assertNotNull(ACCESS.refusal(write("http://" + HOST, site, "1", key)), site);
    }
    assertNotNull(ACCESS.refusal(write("http://" + HOST, "same-origin", null, key)));
  }

  @Test
  void secretsAreLongAndDistinct() {
    Access other = Access.with(Set.of());
    assertNotEquals(ACCESS.session(), other.session());
    assertNotEquals(ACCESS.session(), ACCESS.link().get());
    assertEquals(43, other.session().length());
    assertFalse(other.known("lab.example"));
  }
}
