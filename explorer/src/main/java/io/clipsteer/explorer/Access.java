// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * Who may talk to the server. A browser on this machine shows pages of strangers, too: they may
 * send requests to any local port, and a name of theirs may resolve to this machine (DNS
 * rebinding).
 *
 * @param link secret of the printed address; a browser trades it for the cookie, once
 * @param session secret of the cookie
 * @param hosts names, lower case, by which the server may be called besides loopback addresses and
 *     {@code localhost}
 */
record Access(AtomicReference<String> link, String session, Set<String> hosts) {
  /**
   * Of all requests that write. Scripts of other origins cannot set it without being asked first.
   */
  static final String HEADER = "X-Clipsteer";

  static final String COOKIE = "clipsteer";

  /** What a request brings. */
  record Request(
      boolean writes,
      @Nullable String host,
      @Nullable String origin,
      @Nullable String fetchSite,
      @Nullable String header,
      @Nullable String cookie) {}

  static Access with(Set<String> hosts) {
    return new Access(new AtomicReference<>(secret()), secret(), Set.copyOf(hosts));
  }

  private static String secret() {
    byte[] bytes = new byte[32];
    new SecureRandom().nextBytes(bytes);
    return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
  }

  /** Compares in a time that does not depend on where they differ. */
  static boolean same(@Nullable String given, String secret) {
    if (given == null) return false;
    return MessageDigest.isEqual(
        given.getBytes(StandardCharsets.UTF_8), secret.getBytes(StandardCharsets.UTF_8));
  }

  /** Whether a key of an address lets in; the address is used up then, and there is another. */
  boolean enter(@Nullable String key) {
    String now = Objects.requireNonNull(link.get());
    return same(key, now) && link.compareAndSet(now, secret());
  }

  /** Why a request is refused; null where it is not. */
  @Nullable String refusal(Request request) {
    String host = name(request.host);
    if (host == null || !known(host)) {
      return "The host name " + request.host + " is not this server's";
    }
    if (!same(request.cookie, session)) {
      return "Open the address that clipsteer explore printed: it holds the key of this session";
    }
    if (!request.writes) return null;
    if (request.fetchSite != null && !request.fetchSite.equals("same-origin")) {
      return "Another site may not change anything here";
    }
    if (request.origin != null && !request.origin.equals("http://" + request.host)) {
      return "The origin " + request.origin + " is not this server's";
    }
    return request.header == null ? "Requests that write need the header " + HEADER : null;
  }

  /** Whether a name or an address is one of this server's. */
  boolean known(String host) {
    return host.equals("localhost")
        || host.equals("[::1]")
        || host.matches("127(\\.(25[0-5]|2[0-4]\\d|1?\\d?\\d)){3}")
        || hosts.contains(host);
  }

  /** The name in a Host header, without its port, lower case; null where it is none. */
  static @Nullable String name(@Nullable String header) {
    if (header == null || header.length() > 255) return null;
    String text = header.toLowerCase(Locale.ROOT);
    if (!text.matches("(\\[[0-9a-f:.]+\\]|[a-z0-9.-]+)(:\\d{1,5})?")) return null;
    return text.replaceFirst(":\\d{1,5}$", "");
  }
}
