// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpServer;
import io.clipsteer.data.InputException;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.sae.train.SaeVariant;
import io.clipsteer.lab.run.Reconstruction;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What is sent to an MLflow server, by a server on this machine that speaks its protocol. */
class MlflowTrackerTest {
  private final List<String> calls = new CopyOnWriteArrayList<>();
  private volatile boolean broken;
  private HttpServer server;

  @BeforeEach
  void serve() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext(
        "/",
        exchange -> {
          String path = exchange.getRequestURI().getPath().replaceFirst(".*/mlflow/", "");
          String body =
              new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
          calls.add(path + " " + body);
          String answer =
              switch (path) {
                case "experiments/get-by-name" ->
                    "{\"experiment\": {\"experiment_id\": \"7\", \"name\": \"clipsteer\"}}";
                case "runs/create" -> "{\"run\": {\"info\": {\"run_id\": \"r1\"}}}";
                default -> "{}";
              };
          byte[] bytes = answer.getBytes(StandardCharsets.UTF_8);
          exchange.sendResponseHeaders(broken ? 400 : 200, bytes.length);
          exchange.getResponseBody().write(bytes);
          exchange.close();
        });
    server.start();
  }

  @AfterEach
  void stop() {
    server.stop(0);
  }

  private String uri() {
    return "http://127.0.0.1:" + server.getAddress().getPort();
  }

  private static Training.Trained trained() {
    var spec = new SaeSpec(HookPoint.residPost(1), SaeVariant.parse("topk:k=4"));
    return new Training.Trained(spec, 1, 16, new Reconstruction(100, 0.875, 4, 0.5, 0.9, null));
  }

  private String call(String path, String part) {
    return calls.stream()
        .filter(call -> call.startsWith(path + " ") && call.contains(part))
        .findFirst()
        .orElseThrow(() -> new AssertionError(path + " with " + part + " not in " + calls));
  }

  @Test
  void settingsCurveAndResultsAreSent() {
    try (MlflowTracker tracker = MlflowTracker.begin(uri())) {
      tracker.add(Map.of("batch", 32, "start", ""));
      assertTrue(call("runs/create", "\"7\"").contains("experiment_id"));
      call("runs/log-batch", "\"batch\"");
      tracker.add(new Training.CurveStep(10, 320, "one", 0.5, 4, null));
      tracker.add(trained(), 10);
      tracker.finish();
      assertEquals(0, tracker.lost());
    }
    String metrics = call("runs/log-batch", "one/loss").replaceAll("\\s", "");
    assertTrue(metrics.contains("\"run_id\":\"r1\""), metrics);
    assertTrue(metrics.contains("one/l0") && metrics.contains("explained_variance"), metrics);
    assertTrue(metrics.contains("0.875") && metrics.contains("\"step\":"), metrics);
    call("runs/update", "FINISHED");
  }

  @Test
  void aStoppedTrainingIsMarkedSo() {
    MlflowTracker.begin(uri()).close();
    call("runs/update", "FAILED");
  }

  @Test
  void aServerLostOnTheWayCostsItsValuesAlone() {
    MlflowTracker tracker = MlflowTracker.begin(uri());
    broken = true;
    tracker.add(new Training.CurveStep(10, 320, "one", 0.5, 4, null));
    tracker.finish();
    tracker.close();
    assertEquals(3, tracker.lost());
  }

  @Test
  void aServerThatIsNotThereIsRefused() {
    broken = true;
    assertThrows(InputException.class, () -> MlflowTracker.begin(uri()));
    for (String uri : List.of("file:///etc", "no address", "ftp://x")) {
      InputException e = assertThrows(InputException.class, () -> MlflowTracker.begin(uri));
      assertTrue(String.valueOf(e.getMessage()).contains("no server"), e::getMessage);
    }
  }
}
