// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import io.clipsteer.data.InputException;
import io.clipsteer.data.json.JsonFile;
import io.javalin.Javalin;
import io.javalin.config.JavalinConfig;
import io.javalin.http.Context;
import io.javalin.http.Cookie;
import io.javalin.http.SameSite;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.ServerConnector;
import org.jspecify.annotations.Nullable;

/**
 * Serves the page and its API over HTTP to browsers that hold the session's key. Nothing here knows
 * models: {@link Route}s do.
 */
final class ExplorerServer implements AutoCloseable {
  /** Bytes of a request, but for an image that is dropped onto the page. */
  private static final int MOST_JSON = 256 << 10;

  /** Bytes of a body that is read though it is refused. */
  private static final long MOST_DISCARDED = 128L << 20;

  private static final int MOST_IMAGE = 20 << 20;

  private static final int ATTEMPTS = 20;

  /** The page's files, with their media types. */
  private static final List<String> FILES =
      List.of(
          "index.html",
          "icon.svg",
          "explorer.css",
          "explorer.js",
          "parts.js",
          "charts.js",
          "overview.js",
          "features.js",
          "card.js",
          "experiment.js",
          "groups.js",
          "label.js");

  private static final Map<String, String> TYPES =
      Map.of(
          "html", "text/html", "css", "text/css", "js", "text/javascript", "svg", "image/svg+xml");

  private static final String POLICY =
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src"
          + " 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

  private final Access access;
  private final Javalin javalin;

  private ExplorerServer(Access access, Javalin javalin) {
    this.access = access;
    this.javalin = javalin;
  }

  /** A refusal that is told to the client as it is. */
  record Refusal(String error) {}

  /**
   * Starts to listen.
   *
   * @param hosts addresses to listen on, of the same port
   * @param port 0 for any that is free
   * @param entered called when an address was used up: there is another
   */
  static ExplorerServer start(
      Access access, List<String> hosts, int port, List<Route> routes, Runnable entered) {
    List<String> there =
        hosts.stream().filter(host -> !isIpv6(host) || canListen(host, 0)).toList();
    int chosen = port == 0 ? free(there) : port;
    Javalin javalin =
        Javalin.create(config -> configure(config, access, there, chosen, routes, entered));
    try {
      javalin.start();
    } catch (RuntimeException e) {
      javalin.stop();
      throw new InputException(
          "--port " + port,
          "cannot be listened on at " + String.join(" and ", there),
          "Give another, or 0 for any that is free",
          e);
    }
    return new ExplorerServer(access, javalin);
  }

  private static boolean isIpv6(String host) {
    return host.startsWith("[");
  }

  /** A port that is free at all addresses; another program may take it before the server does. */
  private static int free(List<String> hosts) {
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
      try (ServerSocket first = new ServerSocket(0, 1, InetAddress.getByName(hosts.getFirst()))) {
        int port = first.getLocalPort();
        if (hosts.stream().skip(1).allMatch(host -> canListen(host, port))) return port;
      } catch (IOException e) {
        break;
      }
    }
    throw new InputException(
        "--host " + hosts.getFirst(), "cannot be listened on", "Give an address of this machine");
  }

  private static boolean canListen(String host, int port) {
    try (ServerSocket socket = new ServerSocket(port, 1, InetAddress.getByName(host))) {
      return socket.isBound();
    } catch (IOException e) {
      return false;
    }
  }

  private static void configure(
      JavalinConfig config,
      Access access,
      List<String> hosts,
      int port,
      List<Route> routes,
      Runnable entered) {
    config.startup.showJavalinBanner = false;
    config.startup.showOldJavalinVersionWarning = false;
    config.startup.startupWatcherEnabled = false;
    config.http.maxRequestSize = MOST_IMAGE;
    config.http.generateEtags = true;
    config.jetty.modifyHttpConfiguration(
        http -> {
          http.setSendServerVersion(false);
          http.setRequestHeaderSize(16 << 10);
        });
    for (String host : hosts) {
      config.jetty.addConnector(
          (server, http) -> {
            var connector = new ServerConnector(server, new HttpConnectionFactory(http));
            connector.setHost(host);
            connector.setPort(port);
            connector.setIdleTimeout(60_000);
            return connector;
          });
    }
    config.routes.before(ctx -> enter(ctx, access, entered));
    config.routes.get("/", ctx -> file(ctx, "index.html"));
    FILES.forEach(name -> config.routes.get("/" + name, ctx -> file(ctx, name)));
    for (Route route : routes) {
      if (route.writes()) config.routes.post(route.path(), ctx -> answer(ctx, route));
      else config.routes.get(route.path(), ctx -> answer(ctx, route));
    }
    config.routes.exception(InputException.class, (e, ctx) -> refuse(ctx, 400, e.getMessage()));
    config.routes.exception(Exception.class, (e, ctx) -> fail(ctx, e));
    config.routes.error(404, ctx -> refuse(ctx, 404, "There is no such path"));
  }

  /** A client that breaks off is no defect; all else is one. */
  private static void fail(Context ctx, Throwable failure) {
    for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
      if (!(cause instanceof IOException)) continue;
      refuse(ctx, 400, "The request was broken off");
      return;
    }
    failure.printStackTrace();
    refuse(ctx, 500, "clipsteer failed here; its terminal has the details");
  }

  private static void enter(Context ctx, Access access, Runnable entered) {
    ctx.header("Content-Security-Policy", POLICY);
    ctx.header("X-Content-Type-Options", "nosniff");
    ctx.header("Referrer-Policy", "no-referrer");
    ctx.header("Cross-Origin-Resource-Policy", "same-origin");
    ctx.header("Cross-Origin-Opener-Policy", "same-origin");
    ctx.header("Cache-Control", "no-store");
    boolean writes = !ctx.req().getMethod().equals("GET");
    String host = ctx.req().getHeader("Host");
    String name = Access.name(host);
    if (!writes && ctx.path().equals("/") && name != null && access.known(name)) {
      if (access.enter(ctx.queryParam("key"))) {
        entered.run();
        Cookie cookie = new Cookie(Access.COOKIE, access.session());
        cookie.setHttpOnly(true);
        cookie.setSameSite(SameSite.STRICT);
        ctx.cookie(cookie);
        ctx.status(303).header("Location", "/").skipRemainingHandlers();
        return;
      }
    }
    String refusal =
        access.refusal(
            new Access.Request(
                writes,
                host,
                ctx.header("Origin"),
                ctx.header("Sec-Fetch-Site"),
                ctx.header(Access.HEADER),
                ctx.cookie(Access.COOKIE)));
    if (refusal == null) return;
    refuse(ctx, 403, refusal);
    ctx.skipRemainingHandlers();
  }

  private static void refuse(Context ctx, int status, @Nullable String why) {
    ctx.status(status).contentType("application/json; charset=utf-8");
    ctx.result(JsonFile.line(new Refusal(String.valueOf(why))));
  }

  private static void file(Context ctx, String name) {
    try (InputStream in = ExplorerServer.class.getResourceAsStream(name)) {
      if (in == null) throw new IllegalStateException(name);
      String type = TYPES.get(name.substring(name.indexOf('.') + 1));
      ctx.contentType(type + "; charset=utf-8").result(in.readAllBytes());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void answer(Context ctx, Route route) {
    Map<String, String> parts = new LinkedHashMap<>();
    ctx.queryParamMap()
        .forEach((name, values) -> parts.put(name, values.isEmpty() ? "" : values.getFirst()));
    parts.putAll(ctx.pathParamMap());
    byte[] body = new byte[0];
    if (route.writes()) {
      String type = String.valueOf(ctx.contentType()).replaceFirst(";.*", "").strip();
      boolean image = type.startsWith("image/");
      if (!image && !type.equals("application/json")) {
        refuse(ctx, 415, "Send application/json, or an image");
        return;
      }
      int most = image ? MOST_IMAGE : MOST_JSON;
      if (ctx.contentLength() <= most) body = ctx.bodyAsBytes();
      // A body without an announced size is bounded while it is read, too.
      if (Math.max(ctx.contentLength(), body.length) > most) {
        discard(ctx);
        refuse(ctx, 413, "The request is too large");
        return;
      }
    }
    String client = String.valueOf(ctx.header("X-Client"));
    var call = new Route.Call(client.length() > 64 ? client.substring(0, 64) : client, parts, body);
    CompletableFuture<?> answer = route.answering().answer(call);
    ctx.future(() -> answer.handle((value, failure) -> written(ctx, value, failure)));
  }

  /** Reads a body that is refused, within bounds: a client that still sends sees no answer. */
  private static void discard(Context ctx) {
    if (ctx.contentLength() > MOST_DISCARDED) return;
    try {
      ctx.req().getInputStream().skipNBytes(Math.max(0, ctx.contentLength()));
    } catch (IOException e) {
      return; // The client has gone, or the body was read.
    }
  }

  private static Context written(Context ctx, @Nullable Object value, @Nullable Throwable failure) {
    Throwable cause =
        failure instanceof CompletionException wrapped && wrapped.getCause() != null
            ? wrapped.getCause()
            : failure;
    switch (cause) {
      case null -> {
        if (value instanceof Route.Bytes bytes) {
          ctx.contentType(bytes.type()).result(bytes.bytes());
          ctx.header("Cache-Control", "private, max-age=3600");
        } else {
          String json = JsonFile.line(Objects.requireNonNull(value));
          ctx.contentType("application/json; charset=utf-8");
          ctx.result(json.getBytes(StandardCharsets.UTF_8));
        }
      }
      case CancellationException cancelled -> refuse(ctx, 409, "A newer request took its place");
      case InputException refused -> refuse(ctx, 400, refused.getMessage());
      default -> fail(ctx, cause);
    }
    return ctx;
  }

  /** The address that lets a browser in. */
  URI address(String host) {
    return URI.create("http://" + host + ":" + javalin.port() + "/?key=" + access.link().get());
  }

  int port() {
    return javalin.port();
  }

  @Override
  public void close() {
    javalin.stop();
  }
}
