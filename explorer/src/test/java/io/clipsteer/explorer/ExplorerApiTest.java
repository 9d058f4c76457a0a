// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.lab.index.Labels;
import io.clipsteer.lab.index.QueryProcess;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The paths of docs/explorer-api.md are those of the server. */
final class ExplorerApiTest {
  @TempDir private static Path temp;

  @Test
  void theDocumentNamesEveryPath() throws IOException {
    Path image = temp.resolve("a.png");
    ImageIO.write(new BufferedImage(4, 4, BufferedImage.TYPE_INT_RGB), "png", image.toFile());
    var shelf = new ImageShelf(ImageSet.open(temp), Labels.ofClasses(), false);
    try (Turns turns = new Turns();
        var queries = new QueryProcess(new QueryProcess.QueryLimits(1, 1, 1))) {
      Set<String> served =
          ExplorerApi.routes(new Desks(List.of(), shelf), turns, queries, List.of(), null, false)
              .stream()
              .map(route -> (route.writes() ? "POST " : "GET ") + named(route.path()))
              .collect(Collectors.toCollection(TreeSet::new));
      String document = Files.readString(Path.of("../docs/explorer-api.md"));
      Set<String> described =
          Pattern.compile("(GET|POST) `(/api/[^?` ]*)[^`]*`")
              .matcher(document)
              .results()
              .map(match -> match.group(1) + " " + match.group(2))
              .collect(Collectors.toCollection(TreeSet::new));
      assertEquals(served, described);
    }
  }

  private static String named(String path) {
    return Pattern.compile("\\{(\\w+)}")
        .matcher(path)
        .replaceAll(match -> match.group(1).toUpperCase(Locale.ROOT));
  }
}
