// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.lab.edit.StoredEdit;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The explorer's HTTP API, as docs/explorer-api.md describes it, beside the command line. */
final class ExploreCommandTest {
  private static final JsonMapper MAPPER = JsonMapper.shared();

  @TempDir private static Path temp;

  private static ExploredFixture fixture;
  private static Started started;

  /** An explorer that runs in another thread. */
  record Started(Thread thread, HttpClient client, Path urlFile, String origin, String cookie)
      implements AutoCloseable {
    /** The address that lets in next. */
    String address() {
      try {
        return Files.readString(urlFile).strip();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    /** Starts the command as a user types it. */
    static Started of(Path urlFile, Object... words) throws Exception {
      List<Object> all = new ArrayList<>(List.of("explore", "--no-browser", "--url-file", urlFile));
      all.addAll(List.of(words));
      Thread thread =
          Thread.ofPlatform()
              .start(() -> Main.execute(all.stream().map(Object::toString).toArray(String[]::new)));
      while (!Files.exists(urlFile)) {
        assertTrue(thread.isAlive(), "it ended");
        Thread.sleep(20);
      }
      URI url = URI.create(Files.readString(urlFile).strip());
      HttpClient client = HttpClient.newHttpClient();
      var entered =
          client.send(HttpRequest.newBuilder(url).build(), HttpResponse.BodyHandlers.discarding());
      String cookie = entered.headers().firstValue("Set-Cookie").orElseThrow().split(";")[0];
      String origin = url.toString().replaceFirst("/\\?.*", "");
      return new Started(thread, client, urlFile, origin, cookie);
    }

    private HttpRequest.Builder request(String path) {
      return HttpRequest.newBuilder(URI.create(origin + path)).header("Cookie", cookie);
    }

    JsonNode get(String path) throws Exception {
      return json(request(path).build(), 200);
    }

    JsonNode post(String path, Object body) throws Exception {
      return post(path, body, 200);
    }

    JsonNode post(String path, Object body, int status) throws Exception {
      var sent = HttpRequest.BodyPublishers.ofString(MAPPER.writeValueAsString(body));
      return json(
          request(path)
              .header("X-Clipsteer", "1")
              .header("Content-Type", "application/json")
              .POST(sent)
              .build(),
          status);
    }

    JsonNode json(HttpRequest request, int status) throws Exception {
      var answer = client.send(request, HttpResponse.BodyHandlers.ofString());
      assertEquals(status, answer.statusCode(), answer.body());
      return MAPPER.readTree(answer.body());
    }

    byte[] bytes(String path) throws Exception {
      var answer = client.send(request(path).build(), HttpResponse.BodyHandlers.ofByteArray());
      assertEquals(200, answer.statusCode());
      return answer.body();
    }

    JsonNode job(String path, Object body) throws Exception {
      JsonNode job = post(path, body);
      while (job.get("result").isNull() && job.get("error").isNull()) {
        Thread.sleep(20);
        job = get("/api/jobs/" + job.get("job").asString());
      }
      assertTrue(job.get("error").isNull(), job.toString());
      return job.get("result");
    }

    @Override
    public void close() throws Exception {
      thread.interrupt();
      thread.join();
      client.close();
    }
  }

  @BeforeAll
  static void start() throws Exception {
    fixture = ExploredFixture.in(temp);
    started =
        Started.of(
            temp.resolve("url"),
            "--run",
            fixture.run(),
            "--images",
            fixture.images(),
            "--labels",
            fixture.labels());
  }

  @AfterAll
  static void stop() throws Exception {
    started.close();
  }

  private static Map<String, Object> unit(int sae, String kind, int id, String set) {
    return Map.of("sae", sae, "kind", kind, "id", id, "set", set);
  }

  @Test
  void theSessionSaysWhatIsThere() throws Exception {
    JsonNode session = started.get("/api/session");
    assertEquals(ExploredFixture.IMAGES, session.get("images").asInt());
    JsonNode run = session.get("runs").get(0);
    assertEquals(2, run.get("saes").size());
    assertEquals(1, run.get("saes").get(0).get("layer").asInt());
    assertTrue(run.get("indexing").isNull());
    assertTrue(session.get("factors").has("shade"), session.get("factors").toString());
  }

  @Test
  void featuresAreThoseOfTheIndex() throws Exception {
    JsonNode page = started.get("/api/runs/0/features?sort=max&count=5&sae=1");
    JsonNode rows =
        CliFixture.line(
                "features --run %s %s --json",
                fixture.run(),
                "SELECT id, max, frequency FROM features WHERE layer = 2 AND frequency > 0 ORDER BY"
                    + " max DESC, id LIMIT 5")
            .json()
            .get("rows");
    assertEquals(rows.size(), page.get("features").size());
    for (int k = 0; k < rows.size(); k++) {
      JsonNode own = page.get("features").get(k);
      assertEquals(rows.get(k).get(0).asInt(), own.get("id").asInt());
      assertEquals(rows.get(k).get(1).asDouble(), own.get("max").asDouble(), 1e-9);
      assertEquals(1, own.get("sae").asInt());
    }
    int best = page.get("features").get(0).get("id").asInt();
    JsonNode card = started.get("/api/runs/0/features/1/" + best);
    JsonNode first = card.get("exemplars").get(0);
    assertEquals(card.get("statistics").get("max").asDouble(), first.get("max").asDouble(), 1e-6);
    byte[] map = Base64.getDecoder().decode(first.get("map").asString());
    int patch = first.get("patch").asInt();
    assertTrue(patch < 0 || (map[patch] & 255) >= 254, Arrays.toString(map));
  }

  @Test
  void aRangeKeepsWhatLiesInIt() throws Exception {
    JsonNode all = started.get("/api/runs/0/features?count=200&alive=0&sort=max");
    double middle = all.get("features").get(10).get("max").asDouble();
    JsonNode some =
        started.get("/api/runs/0/features?count=200&sort=max&ranges=max:" + middle + ":1e9");
    assertEquals(11, some.get("total").asInt());
  }

  @Test
  void answersAreThoseOfTheCommandLine() throws Exception {
    JsonNode found =
        started
            .post("/api/runs/0/selection", Map.of("image", "3", "patches", List.of(0, 1)))
            .get("features");
    assertFalse(found.isEmpty());
    int sae = found.get(0).get("sae").asInt();
    int id = found.get(0).get("id").asInt();
    List<Object> units =
        List.of(
            unit(sae, "feature", id, "0"),
            unit(1 - sae, "neuron", 3, "-1.5"),
            unit(sae, "random", 7, "1x"));
    for (String tokens : List.of("all", "cls", "patches", "selected")) {
      Map<String, Object> edit =
          Map.of(
              "image",
              "3",
              "tokens",
              tokens,
              "patches",
              List.of(0, 2),
              "words",
              List.of("light", "dark"),
              "units",
              units);
      JsonNode page = started.post("/api/runs/0/answers", edit).get("heads").get(0);
      String command =
          started
              .post("/api/runs/0/command", Map.of("edit", edit, "head", "words"))
              .get("command")
              .asString();
      assertTrue(command.startsWith("clipsteer experiment "), command);
      Object[] words = command.substring("clipsteer ".length()).replace("'", "").split(" ");
      JsonNode line = CliFixture.run(words, "--json").json();
      assertEquals(line.get("answers").size(), page.get("classes").size());
      for (int k = 0; k < 2; k++) {
        JsonNode own = page.get("classes").get(k);
        JsonNode theirs = line.get("answers").get(k);
        assertEquals(theirs.get("name"), own.get("name"), tokens);
        assertEquals(theirs.get("before").asDouble(), own.get("before").asDouble(), 1e-5);
        assertEquals(theirs.get("after").asDouble(), own.get("after").asDouble(), 1e-4, tokens);
        assertEquals(
            theirs.get("logit_change").asDouble(),
            own.get("logit_change").asDouble(),
            1e-3,
            tokens);
      }
    }
  }

  @Test
  void theSelectionIsTheSearchOfTheCommandLine() throws Exception {
    JsonNode page =
        started
            .post(
                "/api/runs/0/selection", Map.of("image", "4", "patches", List.of(1, 3), "count", 5))
            .get("features");
    JsonNode line =
        CliFixture.line(
                "search --run %s --image %s --patches 1,3 --max-frequency 0.1 --count 5 --json",
                fixture.run(), fixture.images().resolve("p04.png"))
            .json()
            .get("features");
    assertEquals(line.size(), page.size());
    for (int k = 0; k < line.size(); k++) {
      assertEquals(line.get(k).get("id"), page.get(k).get("id"));
      assertEquals(line.get(k).get("score").asDouble(), page.get(k).get("score").asDouble(), 1e-4);
    }
  }

  @Test
  void aTextSearchKnowsWhenNothingStandsOut() throws Exception {
    JsonNode found = started.get("/api/runs/0/search?text=light&count=3");
    assertEquals(100, found.get("compared").asInt());
    double share = found.get("percentile").asDouble();
    assertEquals(share >= 0.95, found.get("stands_out").asBoolean());
    JsonNode line =
        CliFixture.line("search --run %s --text light --count 3 --json", fixture.run()).json();
    for (int k = 0; k < line.get("features").size(); k++) {
      JsonNode theirs = line.get("features").get(k);
      assertEquals(theirs.get("id"), found.get("features").get(k).get("id"));
    }
  }

  @Test
  void groupsFindTheFeatureThatTellsThemApart() throws Exception {
    List<String> dark = new ArrayList<>();
    List<String> light = new ArrayList<>();
    for (int k = 1; k < ExploredFixture.IMAGES; k++) (k % 3 == 0 ? dark : light).add("" + k);
    JsonNode result = started.job("/api/runs/0/groups", Map.of("first", dark, "second", light));
    assertEquals(dark.size(), result.get("first").asInt());
    JsonNode best = result.get("features").get(0);
    double auroc = best.get("auroc").get("value").asDouble();
    assertTrue(Math.abs(auroc - 0.5) > 0.4, best.toString());
    // The index's AUROC of the label is the same number.
    JsonNode rows =
        CliFixture.line(
                "features --run %s %s --json",
                fixture.run(),
                "SELECT auroc FROM feature_labels l JOIN features f USING (sae, id) WHERE score ="
                    + " 'max' AND factor = 'shade' AND value <> 'light' AND layer = "
                    + best.get("layer")
                    + " AND id = "
                    + best.get("id"))
            .json()
            .get("rows");
    assertEquals(rows.get(0).get(0).asDouble(), auroc, 1e-6);
    started.post("/api/runs/0/groups", Map.of("first", List.of("1"), "second", List.of("1")), 400);
  }

  @Test
  void imagesAreFoundByNameAndId() throws Exception {
    String name = started.get("/api/images?id=3").get("images").get(0).get("name").asString();
    JsonNode found =
        started.post(
            "/api/images/named", Map.of("names", List.of(name, "1", "none.png", "3", "9999")));
    assertEquals("1", found.get("images").get(0).get("id").asString());
    assertEquals(name, found.get("images").get(1).get("name").asString());
    assertEquals(2, found.get("images").size());
    assertEquals("[\"none.png\",\"9999\"]", found.get("unknown").toString());
    started.post("/api/images/named", Map.of(), 400);
  }

  @Test
  void withoutAPlanNobodyIsAsked() throws Exception {
    assertEquals(0, started.get("/api/labels").get("trials").asInt());
    for (String path : List.of("next", "answers", "delete")) {
      started.post("/api/labels/" + path, Map.of("annotator", "anna"), 400);
      started.post("/api/labels/" + path, Map.of("annotator", "../../x"), 400);
      started.post("/api/labels/" + path, Map.of(), 400);
    }
  }

  @Test
  void theEffectOverImagesStandsBesideRandomDirections() throws Exception {
    Map<String, Object> edit =
        Map.of(
            "image",
            "1",
            "words",
            List.of("light", "dark"),
            "units",
            List.of(unit(0, "feature", 1, "3")));
    JsonNode result =
        started.job(
            "/api/runs/0/effects",
            Map.of(
                "edit",
                edit,
                "images",
                List.of("1", "2", "3", "4"),
                "head",
                "words",
                "name",
                "dark"));
    assertEquals(4, result.get("edit").get("logit").get("n").asInt());
    assertEquals(5, result.get("random").size());
    double mean = 0;
    for (String image : List.of("1", "2", "3", "4")) {
      JsonNode one =
          started.post(
              "/api/runs/0/answers",
              Map.of("image", image, "words", edit.get("words"), "units", edit.get("units")));
      for (JsonNode own : one.get("heads").get(0).get("classes")) {
        if (own.get("name").asString().equals("dark"))
          mean += own.get("logit_change").asDouble() / 4;
      }
    }
    assertEquals(mean, result.get("edit").get("logit").get("value").asDouble(), 1e-4);
  }

  @Test
  void aSpreadGoesFromTheStrongestToTheInactive() throws Exception {
    int id =
        started.get("/api/runs/0/features?sae=0&count=1").get("features").get(0).get("id").asInt();
    List<String> images = new ArrayList<>();
    for (int k = 0; k < 20; k++) images.add("" + k);
    JsonNode result =
        started.job("/api/runs/0/spread", Map.of("sae", 0, "id", id, "images", images));
    double last = Double.POSITIVE_INFINITY;
    int active = 0;
    for (JsonNode part : result.get("parts")) {
      String name = part.get("part").asString();
      if (!name.startsWith("decile")) continue;
      active += part.get("count").asInt();
      for (JsonNode one : part.get("images")) {
        assertTrue(one.get("max").asDouble() > 0);
        assertTrue(one.get("max").asDouble() <= last + 1e-9, name);
      }
      if (!part.get("images").isEmpty()) {
        last = part.get("images").get(0).get("max").asDouble();
        for (JsonNode one : part.get("images")) last = Math.max(last, one.get("max").asDouble());
      }
    }
    JsonNode none = result.get("parts").get(result.get("parts").size() - 1);
    assertEquals("not active", none.get("part").asString());
    assertEquals(20, active + none.get("count").asInt());
  }

  @Test
  void anEditIsSavedAsExportReadsIt() throws Exception {
    Map<String, Object> edit =
        Map.of(
            "image",
            "1",
            "units",
            List.of(
                unit(0, "feature", 2, "0"),
                unit(0, "feature", 3, "4.5"),
                unit(1, "neuron", 1, "2")));
    JsonNode saved =
        started.post("/api/runs/0/edits", Map.of("edit", edit, "name", "try")).get("folders");
    assertEquals(2, saved.size());
    StoredEdit features = StoredEdit.read(Path.of(saved.get(0).asString()));
    assertEquals(2, features.units().count());
    assertEquals(4.5f, features.rule().values(2)[1]);
    started.post("/api/runs/0/edits", Map.of("edit", edit, "name", "try"), 400);
    for (String name : List.of("../x", "a/b", "", ".hidden", "x".repeat(80))) {
      started.post("/api/runs/0/edits", Map.of("edit", edit, "name", name), 400);
    }
    assertEquals(2, Files.list(fixture.run().resolve("edits")).count());
  }

  @Test
  void notesAreAddedAndExported() throws Exception {
    started.post(
        "/api/runs/0/notes",
        Map.of("sae", 0, "id", 5, "note", "a \"note\", with a comma", "tags", List.of("mine")));
    JsonNode notes = started.get("/api/runs/0/notes").get("notes");
    JsonNode last = notes.get(notes.size() - 1);
    assertEquals("a \"note\", with a comma", last.get("note").asString());
    String csv = new String(started.bytes("/api/runs/0/notes.csv"), StandardCharsets.UTF_8);
    assertTrue(csv.contains("\"a \"\"note\"\", with a comma\""), csv);
    assertTrue(Files.exists(fixture.run().resolve("notes.jsonl")));
    started.post("/api/runs/0/notes", Map.of("sae", 9, "id", 5), 400);
    started.post("/api/runs/0/notes", Map.of("sae", 0, "id", 5, "note", "x".repeat(3000)), 400);
  }

  @Test
  void sqlIsLockedIn() throws Exception {
    JsonNode answer =
        started.post("/api/runs/0/query", Map.of("sql", "SELECT count(*) FROM features"));
    assertTrue(answer.get("rows").get(0).get(0).asInt() > 0);
    for (String attack :
        List.of(
            "SELECT * FROM read_csv('/etc/passwd')",
            "SELECT * FROM read_text('/etc/passwd')",
            "SELECT * FROM '/etc/passwd'",
            "COPY features TO '" + temp.resolve("out.csv") + "'",
            "ATTACH '" + temp.resolve("x.db") + "'",
            "INSTALL httpfs",
            "SET enable_external_access=true",
            "DROP TABLE features",
            "SELECT 1; DROP TABLE features",
            "SELECT * FROM range(10000000)",
            "SELECT count(*) FROM range(100000) a, range(100000) b, range(100000) c",
            "SELECT list(a) FROM range(500000000) t(a)",
            "SELECT repeat('x', 1500000000)",
            "SELECT repeat('x', 2000000000)",
            "DELETE FROM features",
            "PRAGMA writable_schema=1",
            "nonsense",
            "")) {
      started.post("/api/runs/0/query", Map.of("sql", attack), 400);
    }
    JsonNode text = started.post("/api/runs/0/query", Map.of("sql", "SELECT ';', 'a\\xC3'::BLOB"));
    assertEquals(";", text.get("rows").get(0).get(0).asString());
    assertEquals("\\x61\\xC3", text.get("rows").get(0).get(1).asString());
    assertFalse(Files.exists(temp.resolve("out.csv")));
    assertFalse(Files.exists(temp.resolve("x.db")));
    assertTrue(started.get("/api/runs/0/features").get("total").asInt() > 0);
  }

  @Test
  void imagesAreKnownByIdAlone() throws Exception {
    assertTrue(started.bytes("/api/runs/0/images/2/small").length > 100);
    for (String id :
        List.of(
            "..%2F..%2Fetc%2Fpasswd",
            "p02.png", "-1", "999999", "d999", "2%00", "%2Fetc%2Fpasswd")) {
      var answer =
          started.client.send(
              started.request("/api/runs/0/images/" + id + "/small").build(),
              HttpResponse.BodyHandlers.ofString());
      assertTrue(answer.statusCode() == 400 || answer.statusCode() == 404, id + answer.body());
      assertFalse(answer.body().contains("root:"));
    }
  }

  private static int drop(byte[] file, String type) throws Exception {
    var request =
        started
            .request("/api/images")
            .header("X-Clipsteer", "1")
            .header("Content-Type", type)
            .POST(HttpRequest.BodyPublishers.ofByteArray(file))
            .build();
    return started.client.send(request, HttpResponse.BodyHandlers.ofString()).statusCode();
  }

  @Test
  void broughtImagesAreBounded() throws Exception {
    assertEquals(200, drop(Files.readAllBytes(fixture.images().resolve("p02.png")), "image/png"));
    assertEquals(
        400,
        drop(
            "<svg xmlns='http://www.w3.org/2000/svg'/>".getBytes(StandardCharsets.UTF_8),
            "image/svg+xml"));
    assertEquals(400, drop(new byte[0], "image/png"));
    assertEquals(400, drop(bomb(50_000, 50_000), "image/png"));
    byte[] whole = Files.readAllBytes(fixture.images().resolve("p02.png"));
    assertEquals(400, drop(Arrays.copyOf(whole, whole.length / 2), "image/png"));
    assertEquals(413, drop(new byte[(20 << 20) + 1], "image/png"));
    Random random = new Random(3);
    for (int k = 0; k < 50; k++) {
      byte[] damaged = whole.clone();
      for (int n = 0; n < 5; n++)
        damaged[random.nextInt(damaged.length)] ^= (byte) (1 + random.nextInt(255));
      int status = drop(damaged, "image/png");
      assertTrue(status == 200 || status == 400, "status " + status);
    }
    assertTrue(started.get("/api/session").has("runs"));
  }

  /** A PNG's beginning that announces a huge image. */
  private static byte[] bomb(int width, int height) throws IOException {
    var bytes = new ByteArrayOutputStream();
    bytes.write(new byte[] {(byte) 0x89, 'P', 'N', 'G', 13, 10, 26, 10, 0, 0, 0, 13});
    byte[] header = {
      'I',
      'H',
      'D',
      'R',
      (byte) (width >> 24),
      (byte) (width >> 16),
      (byte) (width >> 8),
      (byte) width,
      (byte) (height >> 24),
      (byte) (height >> 16),
      (byte) (height >> 8),
      (byte) height,
      8,
      2,
      0,
      0,
      0
    };
    bytes.write(header);
    var crc = new java.util.zip.CRC32();
    crc.update(header);
    for (int shift = 24; shift >= 0; shift -= 8) bytes.write((int) (crc.getValue() >> shift));
    return bytes.toByteArray();
  }

  @Test
  void wrongRequestsAreSaidInALine() throws Exception {
    Object none = Map.of();
    for (String path :
        List.of(
            "selection", "answers", "effects", "groups", "spread", "edits", "command", "query")) {
      JsonNode refused = started.post("/api/runs/0/" + path, none, 400);
      assertEquals(1, refused.get("error").asString().lines().count());
    }
    assertTrue(
        started
            .post("/api/runs/0/spread", Map.of("sae", 0, "id", 1, "images", 7), 400)
            .get("error")
            .asString()
            .contains("images"));
    started.post(
        "/api/runs/0/answers",
        Map.of(
            "image", "1", "tokens", "selected", "patches", List.of(-1), "words", List.of("a", "b")),
        400);
    started.get("/api/images?text=%25");
    started.get("/api/images?text");
    started.post("/api/runs/0/notes", Map.of("sae", 0, "id", -1, "note", "x"), 400);
    started.post("/api/runs/7/selection", Map.of("image", "1"), 400);
    started.post("/api/runs/0/selection", Map.of("image", "1", "patches", List.of(-1)), 400);
    started.post("/api/runs/0/selection", Map.of("image", "1", "patches", List.of(99999)), 400);
    started.post("/api/runs/0/selection", Map.of("image", "1", "misspelt", 1), 400);
    for (Object wrong :
        List.of(
            unit(9, "feature", 1, "0"),
            unit(0, "feature", 999_999, "0"),
            unit(0, "feature", -1, "0"),
            unit(0, "nothing", 1, "0"),
            unit(0, "feature", 1, "NaN"),
            unit(0, "feature", 1, "1e999"),
            unit(0, "feature", 1, "1e38x"),
            Map.of("sae", 0, "kind", "feature", "id", 1.5, "set", "0"),
            unit(0, "feature", 1, ""))) {
      Map<String, Object> edit =
          Map.of("image", "1", "words", List.of("a", "b"), "units", List.of(wrong));
      JsonNode refused = started.post("/api/runs/0/answers", edit, 400);
      assertEquals(1, refused.get("error").asString().lines().count(), refused.toString());
    }
  }

  @Test
  void clientsThatSteerAtOnceGetTheirOwnAnswers() throws Exception {
    List<Map<String, Object>> edits = new ArrayList<>();
    List<String> alone = new ArrayList<>();
    for (int k = 0; k < 8; k++) {
      edits.add(
          Map.of(
              "image",
              "" + (k % 4 + 1),
              "words",
              List.of("light", "dark"),
              "units",
              List.of(unit(0, "feature", k, "" + (k - 4)))));
      alone.add(started.post("/api/runs/0/answers", edits.get(k)).toString());
    }
    List<CompletableFuture<Void>> clients = new ArrayList<>();
    for (int k = 0; k < 8; k++) {
      int own = k;
      clients.add(
          CompletableFuture.runAsync(
              () -> {
                for (int n = 0; n < 25; n++) {
                  try {
                    var request =
                        started
                            .request("/api/runs/0/answers")
                            .header("X-Clipsteer", "1")
                            .header("X-Client", "client " + own)
                            .header("Content-Type", "application/json")
                            .POST(
                                HttpRequest.BodyPublishers.ofString(
                                    MAPPER.writeValueAsString(edits.get(own))))
                            .build();
                    assertEquals(alone.get(own), started.json(request, 200).toString());
                  } catch (Exception e) {
                    throw new AssertionError(e);
                  }
                }
              },
              command -> Thread.ofPlatform().start(command)));
    }
    for (CompletableFuture<Void> client : clients) client.join();
  }

  @Test
  void twoRunsAnswerSideBySide() throws Exception {
    try (Started both =
        Started.of(
            temp.resolve("url4"),
            "--run",
            fixture.run(),
            "--run",
            fixture.run(),
            "--images",
            fixture.images())) {
      assertEquals(2, both.get("/api/session").get("runs").size());
      JsonNode features = both.get("/api/runs/1/features?sort=max&count=1").get("features");
      int sae = features.get(0).get("sae").asInt();
      int id = features.get(0).get("id").asInt();
      List<String> images = new ArrayList<>();
      for (int k = 0; k < 20; k++) images.add("" + k);
      JsonNode twins =
          both.job("/api/runs/0/twins", Map.of("sae", sae, "id", id, "other", 1, "images", images));
      JsonNode best = twins.get("features").get(0);
      assertEquals(id, best.get("feature").get("id").asInt());
      assertEquals(sae, best.get("sae").asInt());
      assertEquals(1, best.get("correlation").get("value").asDouble(), 1e-9);
    }
  }

  @Test
  void othersMayEnterByTheAddressesOfThisMachineAlone() throws Exception {
    try (Started open =
        Started.of(
            temp.resolve("url5"),
            "--run",
            fixture.run(),
            "--images",
            fixture.images(),
            "--host",
            "0.0.0.0")) {
      int port = URI.create(open.origin).getPort();
      String own = java.net.InetAddress.getLocalHost().getHostAddress();
      var request =
          HttpRequest.newBuilder(URI.create("http://" + own + ":" + port + "/api/session"));
      var entered =
          open.client.send(
              request.header("Cookie", open.cookie).build(), HttpResponse.BodyHandlers.ofString());
      assertEquals(200, entered.statusCode(), entered.body());
      var stranger = request.setHeader("Cookie", "clipsteer=x").build();
      assertEquals(
          403, open.client.send(stranger, HttpResponse.BodyHandlers.discarding()).statusCode());
    }
  }

  @Test
  void readOnlySessionsSaveNothing() throws Exception {
    try (Started other =
        Started.of(
            temp.resolve("url2"),
            "--run",
            fixture.run(),
            "--images",
            fixture.images(),
            "--read-only")) {
      other.post("/api/runs/0/notes", Map.of("sae", 0, "id", 1, "note", "x"), 400);
      Map<String, Object> edit = Map.of("image", "1", "units", List.of(unit(0, "feature", 2, "0")));
      other.post("/api/runs/0/edits", Map.of("edit", edit, "name", "no"), 400);
      assertFalse(Files.exists(fixture.run().resolve("edits/no")));
    }
  }

  @Test
  void anUnindexedRunIsIndexedFirst() throws Exception {
    Path fresh = temp.resolve("fresh");
    CliFixture.train(fresh, CliFixture.CLIP, fixture.images(), "--layers", "1", "--expansion", "2");
    try (Started other =
        Started.of(
            temp.resolve("url3"),
            "--run",
            fresh,
            "--images",
            fixture.images(),
            "--labels",
            fixture.labels())) {
      JsonNode run = other.get("/api/session").get("runs").get(0);
      for (int n = 0; n < 1000 && !run.get("indexing").isNull(); n++) {
        assertTrue(run.get("indexing").get("error").isNull(), run.toString());
        Thread.sleep(50);
        run = other.get("/api/session").get("runs").get(0);
      }
      assertEquals(ExploredFixture.IMAGES, run.get("index").get("images").asInt());
      assertTrue(other.get("/api/runs/0/features").get("total").asInt() > 0);
    }
    assertTrue(Files.exists(fresh.resolve("index/manifest.json")));
  }

  @Test
  void wrongOptionsAreRefused() {
    Path images = fixture.images();
    CliFixture.run("explore", "--run", temp.resolve("none"), "--images", images)
        .refused("there is no such folder");
    CliFixture.run("explore", "--run", fixture.run(), "--images", temp.resolve("none"))
        .refused("there is no such file or folder");
    CliFixture.run("explore", "--run", fixture.run(), "--images", images, "--port", "70000")
        .refused("--port 70000");
    CliFixture.run("explore", "--run", fixture.run(), "--images", images, "--probe", temp)
        .refused(temp.toString());
    CliFixture.run("explore", "--run", fixture.run(), "--images", images, "--host", "203.0.113.7")
        .refused("203.0.113.7");
  }
}
