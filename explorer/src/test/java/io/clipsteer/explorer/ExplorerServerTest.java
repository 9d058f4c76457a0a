// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The server under attack, by sockets: a client library would correct what is sent. */
final class ExplorerServerTest {
  private final Access access = Access.with(Set.of());
  private final AtomicInteger writes = new AtomicInteger();
  private final AtomicInteger entries = new AtomicInteger();
  private ExplorerServer server;

  private record Echo(String text, int bytes) {}

  @BeforeEach
  void start() {
    List<Route> routes =
        List.of(
            new Route(
                false,
                "/api/echo/{text}",
                call ->
                    CompletableFuture.completedFuture(
                        new Echo(String.valueOf(call.part("text")), 0))),
            new Route(
                false,
                "/api/refused",
                call -> {
                  throw new InputException("it", "is wrong", "Correct it");
                }),
            new Route(
                false,
                "/api/broken",
                call -> CompletableFuture.failedFuture(new IllegalStateException("secret"))),
            new Route(
                true,
                "/api/write",
                call -> {
                  writes.incrementAndGet();
                  return CompletableFuture.completedFuture(new Echo("", call.body().length));
                }));
    server =
        ExplorerServer.start(
            access, List.of("127.0.0.1", "[::1]"), 0, routes, entries::incrementAndGet);
  }

  @AfterEach
  void stop() {
    server.close();
  }

  /** An answer as it came. */
  private record Answer(int status, String head, String body) {
    String header(String name) {
      for (String line : head.split("\r\n")) {
        if (line.toLowerCase().startsWith(name.toLowerCase() + ": ")) {
          return line.substring(name.length() + 2);
        }
      }
      return "";
    }
  }

  private Answer send(String request) throws IOException {
    return send(InetAddress.getByName("127.0.0.1"), request.getBytes(StandardCharsets.UTF_8));
  }

  private Answer send(InetAddress address, byte[] request) throws IOException {
    try (Socket socket = new Socket(address, server.port())) {
      socket.setSoTimeout(5000);
      OutputStream out = socket.getOutputStream();
      out.write(request);
      out.flush();
      byte[] all;
      try {
        all = socket.getInputStream().readAllBytes();
      } catch (SocketTimeoutException e) {
        return new Answer(0, "", "");
      }
      String text = new String(all, StandardCharsets.UTF_8);
      if (text.isEmpty()) return new Answer(0, "", "");
      int end = text.indexOf("\r\n\r\n");
      String head = end < 0 ? text : text.substring(0, end);
      return new Answer(
          Integer.parseInt(head.split(" ")[1]), head, end < 0 ? "" : text.substring(end + 4));
    }
  }

  private String cookie() {
    return "Cookie: clipsteer=" + access.session() + "\r\n";
  }

  private String get(String path, String headers) {
    return get(path, "127.0.0.1:" + server.port(), headers);
  }

  private static String get(String path, String host, String headers) {
    return "GET "
        + path
        + " HTTP/1.1\r\nHost: "
        + host
        + "\r\nConnection: close\r\n"
        + headers
        + "\r\n";
  }

  private String post(String headers, String body) {
    return "POST /api/write HTTP/1.1\r\nHost: 127.0.0.1:"
        + server.port()
        + "\r\nConnection: close\r\nContent-Length: "
        + body.getBytes(StandardCharsets.UTF_8).length
        + "\r\n"
        + headers
        + "\r\n"
        + body;
  }

  @Test
  void theKeyBecomesACookieOnceAndLeavesTheAddress() throws IOException {
    String link = access.link().get();
    Answer entered = send(get("/?key=" + link, ""));
    assertEquals(303, entered.status);
    assertEquals(1, entries.get());
    assertEquals(403, send(get("/?key=" + link, "")).status, "a second time");
    assertEquals("/", entered.header("Location"));
    String cookie = entered.header("Set-Cookie");
    assertTrue(cookie.contains("clipsteer=" + access.session()), cookie);
    assertTrue(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), cookie);
    for (String wrong : List.of("", "x", access.session(), access.link().get() + "x")) {
      Answer refused = send(get("/?key=" + wrong, ""));
      assertEquals(403, refused.status, wrong);
      assertEquals("", refused.header("Set-Cookie"));
    }
  }

  @Test
  void bothIpFamiliesAnswer() throws IOException {
    for (String address : List.of("127.0.0.1", "::1")) {
      byte[] request =
          get("/api/echo/x", "localhost:" + server.port(), cookie())
              .getBytes(StandardCharsets.UTF_8);
      assertEquals(200, send(InetAddress.getByName(address), request).status, address);
    }
  }

  @Test
  void strangersGetNothing() throws IOException {
    String session = access.session();
    for (String cookie : List.of("", "clipsteer=", "clipsteer=" + session + "x", "x=" + session)) {
      Answer answer = send(get("/api/echo/x", "Cookie: " + cookie + "\r\n"));
      assertEquals(403, answer.status, cookie);
      assertFalse(answer.body.contains("\"text\""));
    }
    // The page itself is not shown, either.
    assertEquals(403, send(get("/", "")).status);
    assertEquals(403, send(get("/explorer.js", "")).status);
  }

  @Test
  void namesThatResolveHereAreRefused() throws IOException {
    for (String host :
        List.of(
            "evil.example",
            "evil.example:" + server.port(),
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "169.254.169.254",
            "0.0.0.0",
            "127.0.0.1@evil.example",
            "")) {
      int status = send(get("/api/echo/x", host, cookie())).status;
      assertTrue(status == 403 || status == 400, host + " " + status);
      int entered = send(get("/?key=" + access.link().get(), host, "")).status;
      assertTrue(entered == 403 || entered == 400, host + " " + entered);
    }
  }

  @Test
  void otherSitesCannotWrite() throws IOException {
    String json = "Content-Type: application/json\r\n";
    String own = "Origin: http://127.0.0.1:" + server.port() + "\r\n";
    String header = "X-Clipsteer: 1\r\n";
    assertEquals(200, send(post(cookie() + json + header, "{}")).status);
    assertEquals(200, send(post(cookie() + json + header + own, "{}")).status);
    int before = writes.get();
    for (String attack :
        List.of(
            json + header,
            cookie() + json,
            cookie() + json + header + "Origin: http://evil.example\r\n",
            cookie() + json + header + "Origin: null\r\n",
            cookie() + json + header + "Origin: https://127.0.0.1:" + server.port() + "\r\n",
            cookie() + json + header + "Origin: http://127.0.0.1:1\r\n",
            cookie() + json + header + "Sec-Fetch-Site: cross-site\r\n",
            cookie() + json + header + "Sec-Fetch-Site: same-site\r\n",
            cookie() + header + "Content-Type: text/plain\r\n",
            cookie() + header + "Content-Type: application/x-www-form-urlencoded\r\n",
            cookie() + header)) {
      int status = send(post(attack, "{}")).status;
      assertTrue(status == 403 || status == 415, attack + status);
    }
    assertEquals(before, writes.get());
    // No reading by another origin, either.
    Answer asked =
        send(
            "OPTIONS /api/write HTTP/1.1\r\nHost: 127.0.0.1:"
                + server.port()
                + "\r\nConnection: close\r\nOrigin: http://evil.example\r\n"
                + "Access-Control-Request-Method: POST\r\n\r\n");
    assertEquals("", asked.header("Access-Control-Allow-Origin"));
  }

  @Test
  void policiesAreStrict() throws IOException {
    Answer page = send(get("/", cookie()));
    assertEquals(200, page.status);
    String policy = page.header("Content-Security-Policy");
    assertTrue(policy.startsWith("default-src 'none'"), policy);
    assertFalse(policy.contains("unsafe"), policy);
    assertFalse(policy.contains("*"), policy);
    assertTrue(policy.contains("frame-ancestors 'none'"), policy);
    assertEquals("nosniff", page.header("X-Content-Type-Options"));
    assertEquals("no-referrer", page.header("Referrer-Policy"));
    assertEquals("", page.header("Server"));
    assertFalse(page.body.contains("style=") || page.body.contains("onclick"), "inline parts");
  }

  @Test
  void pathsStayInside() throws IOException {
    for (String path :
        List.of(
            "/../../etc/passwd",
            "/..%2f..%2fetc%2fpasswd",
            "/%2e%2e/%2e%2e/etc/passwd",
            "/explorer.js/../../secret",
            "/Explorer.class",
            "/io/clipsteer/explorer/Access.class",
            "/WEB-INF/web.xml")) {
      Answer answer = send(get(path, cookie()));
      assertTrue(answer.status == 404 || answer.status == 400, path + " " + answer.status);
      assertFalse(answer.body.contains("root:"), path);
    }
  }

  @Test
  void largeRequestsAreRefusedBeforeTheyAreRead() throws IOException {
    String head = cookie() + "X-Clipsteer: 1\r\nContent-Type: ";
    Answer json = send(post(head + "application/json\r\n", "x".repeat((256 << 10) + 1)));
    assertEquals(413, json.status);
    // A size that is announced and never sent.
    String announced =
        "POST /api/write HTTP/1.1\r\nHost: 127.0.0.1:"
            + server.port()
            + "\r\nConnection: close\r\n"
            + head
            + "image/png\r\nContent-Length: 2000000000\r\n\r\n";
    assertEquals(413, send(announced).status);
    // A body without a size.
    StringBuilder chunks = new StringBuilder();
    for (int k = 0; k < 300; k++) chunks.append("400\r\n").append("x".repeat(1024)).append("\r\n");
    String chunked =
        "POST /api/write HTTP/1.1\r\nHost: 127.0.0.1:"
            + server.port()
            + "\r\nConnection: close\r\n"
            + head
            + "application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            + chunks
            + "0\r\n\r\n";
    assertEquals(413, send(chunked).status);
    assertEquals(0, writes.get());
  }

  @Test
  void failuresSayLittleAndTheServerGoesOn() throws IOException {
    Answer refused = send(get("/api/refused", cookie()));
    assertEquals(400, refused.status);
    assertTrue(refused.body.contains("it: is wrong. Correct it"), refused.body);
    Answer broken = send(get("/api/broken", cookie()));
    assertEquals(500, broken.status);
    assertFalse(broken.body.contains("secret"), broken.body);
    Answer odd = send(get("/api/echo/%3Cscript%3E", cookie()));
    assertEquals(200, odd.status);
    assertTrue(odd.header("Content-Type").startsWith("application/json"), odd.head);
  }

  @Test
  void slowClientsDoNotHoldOthersUp() throws Exception {
    List<Socket> slow = new ArrayList<>();
    try {
      for (int k = 0; k < 300; k++) {
        Socket socket = new Socket("127.0.0.1", server.port());
        socket.getOutputStream().write("POST /api/write HT".getBytes(StandardCharsets.UTF_8));
        slow.add(socket);
      }
      long start = System.nanoTime();
      assertEquals(200, send(get("/api/echo/x", cookie())).status);
      assertTrue(System.nanoTime() - start < 5_000_000_000L, "answered within five seconds");
    } finally {
      for (Socket socket : slow) socket.close();
    }
  }

  @Test
  void tenThousandDamagedRequestsDoNotEndIt() throws Exception {
    Random random = new Random(1);
    byte[] model =
        post(cookie() + "X-Clipsteer: 1\r\nContent-Type: application/json\r\n", "{\"a\": 1}")
            .getBytes(StandardCharsets.UTF_8);
    long before = usedBytes();
    for (int k = 0; k < 10_000; k++) {
      byte[] request = model.clone();
      for (int n = 1 + random.nextInt(8); n > 0; n--) {
        request[random.nextInt(request.length)] = (byte) random.nextInt(256);
      }
      try (Socket socket = new Socket("127.0.0.1", server.port())) {
        socket.getOutputStream().write(request, 0, 1 + random.nextInt(request.length));
      } catch (IOException e) {
        // It may close the connection while it is written.
      }
    }
    assertEquals(200, send(get("/api/echo/x", cookie())).status);
    long kept = usedBytes() - before;
    assertTrue(kept < 50_000_000, kept + " bytes are kept");
  }

  private static long usedBytes() {
    System.gc();
    Runtime runtime = Runtime.getRuntime();
    return runtime.totalMemory() - runtime.freeMemory();
  }

  @Test
  void answersReachTheirOwnClients() throws Exception {
    try (HttpClient client = HttpClient.newHttpClient()) {
      List<CompletableFuture<HttpResponse<String>>> all = new ArrayList<>();
      for (int k = 0; k < 200; k++) {
        URI uri = URI.create("http://127.0.0.1:" + server.port() + "/api/echo/t" + k);
        HttpRequest request =
            HttpRequest.newBuilder(uri).header("Cookie", cookie().substring(8).strip()).build();
        all.add(client.sendAsync(request, HttpResponse.BodyHandlers.ofString()));
      }
      for (int k = 0; k < all.size(); k++) {
        assertTrue(all.get(k).join().body().contains("\"t" + k + "\""), "answer " + k);
      }
    }
  }

  @Test
  void aTakenPortIsSaid() {
    List<String> hosts = List.of("127.0.0.1");
    InputException refused =
        assertThrows(
            InputException.class,
            () -> ExplorerServer.start(access, hosts, server.port(), List.of(), () -> {}).close());
    assertTrue(String.valueOf(refused.getMessage()).contains("--port " + server.port()));
  }
}
