// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.dist;

import java.awt.Color;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.spi.ToolProvider;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;
import javax.imageio.ImageIO;

/**
 * Makes the archive of one platform: {@code bin}, {@code lib} (jars), {@code natives}, {@code
 * runtime} (a Java of the modules that the program uses), {@code share} (completions, man pages).
 *
 * @param platform what it is for
 * @param module the folder of this Maven module; its parent is the source tree
 * @param version the program's version
 * @param time the time of every file
 * @param jmods the platform's Java modules; empty on the platform itself
 */
record Distribution(Platform platform, Path module, String version, Instant time, String jmods) {
  /** As {@code jdeps --print-module-deps} lists them for the jars. */
  private static final String MODULES =
      "java.base,java.compiler,java.desktop,java.instrument,java.logging,java.naming,java.net.http,"
          + "java.prefs,java.rmi,java.security.jgss,java.sql,jdk.incubator.vector,jdk.jfr,"
          + "jdk.management,jdk.unsupported";

  /**
   * For windows on a screen, sound, and text in the system's fonts: the program draws letters
   * itself.
   */
  private static final String UNUSED =
      "**/libawt_xawt.so,**/libsplashscreen.so,**/libjsound.so,**/libfontmanager.so,"
          + "**/libfreetype.so,**/jrt-fs.jar";

  /**
   * Swing, sound, X11 and XSLT: large, and nothing starts them without a display or a stylesheet.
   */
  private static final List<String> UNUSED_PACKAGES =
      List.of(
          "java.desktop/javax/swing",
          "java.desktop/sun/swing",
          "java.desktop/com/sun/java/swing",
          "java.desktop/javax/sound",
          "java.desktop/com/sun/media/sound",
          "java.desktop/sun/awt/X11",
          "java.xml/com/sun/org/apache/xalan",
          "java.xml/com/sun/org/apache/bcel");

  /** Arguments: the module's folder, version, time, labels of platforms, folder of jmods. */
  public static void main(String[] args) throws IOException {
    Path module = Path.of(args[0]).toAbsolutePath();
    for (String label : args[3].split(",")) {
      String jmods = args[4].isEmpty() ? "" : Path.of(args[4]).resolve(label).toString();
      new Distribution(Platform.of(label), module, args[1], Instant.parse(args[2]), jmods).make();
    }
  }

  private void make() throws IOException {
    Path target = module.resolve("target");
    Path home = target.resolve(platform.label()).resolve("clipsteer-" + version);
    delete(home);
    Files.createDirectories(home);
    jars(root().resolve("cli/target/dist/lib"), home);
    Natives.torch(target.resolve("platform-jars"), platform, home.resolve("natives"));
    runtime(home);
    texts(home);
    Files.writeString(home.resolve("lib/build"), version + "-" + hash(home) + "\n");
    Path file = archive(home, target.resolve("clipsteer-" + version + "-" + platform.label()));
    String sum = HexFormat.of().formatHex(digest().digest(Files.readAllBytes(file)));
    Files.writeString(
        Path.of(file + ".sha256"), sum + "  " + file.getFileName() + System.lineSeparator());
    System.out.printf(
        "%s: %.1f MB, %.1f MB unpacked%n", file, Files.size(file) / 1e6, size(home) / 1e6);
  }

  private Path root() {
    return module.resolve("..").normalize();
  }

  private Path archive(Path home, Path name) throws IOException {
    Path file = Path.of(name + (platform.isWindows() ? ".zip" : ".tar.gz"));
    if (platform.isWindows()) Archive.zip(home, file, time);
    else Archive.tar(home, file, time);
    return file;
  }

  private void jars(Path from, Path home) throws IOException {
    Path lib = Files.createDirectories(home.resolve("lib"));
    Path platformJars = module.resolve("target/platform-jars");
    for (Path built : Archive.below(from)) {
      String name = built.getFileName().toString();
      if (Natives.isPlatformJar(built)) continue;
      // The one of all platforms, if there is one.
      Path jar = platformJars.resolve(name);
      if (!Files.exists(jar)) jar = built;
      if (!Trimming.changes(name)) {
        Files.copy(jar, lib.resolve(name));
        continue;
      }
      try (ZipFile zip = new ZipFile(jar.toFile())) {
        if (name.startsWith("tokenizers-")) {
          Natives.tokenizers(zip, platform, home.resolve("natives"));
        }
        trim(zip, name, lib.resolve(name));
      }
    }
  }

  private void trim(ZipFile zip, String name, Path to) throws IOException {
    List<ZipEntry> entries = new ArrayList<>(zip.stream().map(entry -> (ZipEntry) entry).toList());
    entries.removeIf(entry -> !Trimming.keeps(name, entry.getName(), platform));
    try (OutputStream out = Files.newOutputStream(to);
        ZipOutputStream jar = new ZipOutputStream(out)) {
      jar.setLevel(9);
      for (ZipEntry entry : entries) {
        jar.putNextEntry(Archive.entry(entry.getName(), time));
        try (var in = zip.getInputStream(entry)) {
          jar.write(Elf.strip(in.readAllBytes()));
        }
        jar.closeEntry();
      }
    }
  }

  /** Java, unless the platform is another than this one and its modules are not at hand. */
  private void runtime(Path home) throws IOException {
    boolean own = platform == Platform.LINUX_X86_64 && jmods.isEmpty();
    if (!own && (jmods.isEmpty() || !Files.isDirectory(Path.of(jmods)))) {
      System.out.println(platform.label() + ": no jmods, so the archive holds no Java");
      return;
    }
    Runtime.Version java = Runtime.version();
    if (java.feature() == 25 && java.interim() == 0 && java.update() < 3) {
      throw new IOException(
          "Java " + java + " can corrupt memory (JDK-8377811): build with 25.0.3");
    }
    Path runtime = home.resolve("runtime");
    List<String> words = new ArrayList<>(List.of("--add-modules", MODULES));
    if (!own) words.addAll(List.of("--module-path", jmods));
    words.addAll(List.of("--strip-debug", "--no-header-files", "--no-man-pages"));
    words.addAll(List.of("--compress", "zip-9", "--exclude-files", UNUSED));
    words.addAll(List.of("--exclude-resources", "@" + unusedClasses()));
    // Its classes of lambda forms differ from run to run. So does SystemModules$all, but without
    // the
    // classes of modules the JVM keeps none at all (-XX:AOTCacheOutput fails).
    words.addAll(List.of("--disable-plugin", "generate-jli-classes"));
    words.addAll(List.of("--output", runtime.toString()));
    ToolProvider jlink = ToolProvider.findFirst("jlink").orElseThrow();
    int code =
        jlink.run(
            new PrintWriter(System.out, true),
            new PrintWriter(System.err, true),
            words.toArray(String[]::new));
    if (code != 0) throw new IOException("jlink failed: " + code);
    for (Path file : Archive.below(runtime)) {
      if (file.toString().endsWith(".so") && Files.isRegularFile(file)) {
        byte[] stripped = Elf.strip(Files.readAllBytes(file));
        Files.write(file, stripped);
      }
    }
  }

  /**
   * A file that lists the classes of the unused packages but one each: jlink wants no exported
   * package empty.
   */
  private Path unusedClasses() throws IOException {
    Path modules = FileSystems.getFileSystem(URI.create("jrt:/")).getPath("/modules");
    StringBuilder list = new StringBuilder();
    for (String unused : UNUSED_PACKAGES) {
      Set<Path> kept = new HashSet<>();
      for (Path file : Archive.below(modules.resolve(unused))) {
        if (!file.toString().endsWith(".class")) continue;
        if (kept.add(file.getParent())) continue;
        list.append(file.toString().substring("/modules".length())).append('\n');
      }
    }
    Path file = module.resolve("target/unused-classes.txt");
    Files.writeString(file, list);
    return file;
  }

  private void texts(Path home) throws IOException {
    Path root = root();
    Path target = module.resolve("target");
    Path bin = Files.createDirectories(home.resolve("bin"));
    if (platform.isWindows()) {
      Files.copy(module.resolve("src/launcher/clipsteer.cmd"), bin.resolve("clipsteer.cmd"));
    } else {
      Path launcher = bin.resolve("clipsteer");
      Files.copy(module.resolve("src/launcher/clipsteer"), launcher);
      if (!launcher.toFile().setExecutable(true, false)) throw new IOException("not executable");
      Files.copy(root.resolve("cli/src/launcher/settings.sh"), home.resolve("lib/settings.sh"));
    }
    for (String name : List.of("LICENSE", "NOTICE")) {
      Files.copy(root.resolve(name), home.resolve(name));
    }
    Files.copy(
        root.resolve("cli/target/licences/THIRD-PARTY.txt"), home.resolve("THIRD-PARTY.txt"));
    Files.copy(module.resolve("src/licences/NATIVES.txt"), home.resolve("NATIVES.txt"));
    Files.copy(root.resolve("docs/install.md"), home.resolve("install.md"));
    copy(target.resolve("completions"), home.resolve("share"));
    copy(target.resolve("man"), home.resolve("share/man/man1"));
    Path first = Files.createDirectories(home.resolve("share/clipsteer")).resolve("first.png");
    BufferedImage grey = new BufferedImage(64, 64, BufferedImage.TYPE_INT_RGB);
    grey.setRGB(0, 0, Color.GRAY.getRGB());
    ImageIO.write(grey, "png", first.toFile());
  }

  private static void copy(Path from, Path to) throws IOException {
    Files.createDirectories(to);
    for (Path file : Archive.below(from)) {
      Path copy = to.resolve(from.relativize(file).toString());
      if (Files.isDirectory(file)) Files.createDirectories(copy);
      else Files.copy(file, copy, StandardCopyOption.REPLACE_EXISTING);
    }
  }

  /** Names the build: classes that a machine keeps are of these jars and this Java only. */
  private static String hash(Path home) throws IOException {
    MessageDigest digest = digest();
    for (Path file : Archive.below(home)) {
      if (!Files.isRegularFile(file)) continue;
      digest.update(home.relativize(file).toString().getBytes(StandardCharsets.UTF_8));
      digest.update(Files.readAllBytes(file));
    }
    return HexFormat.of().formatHex(digest.digest()).substring(0, 16);
  }

  private static MessageDigest digest() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  private static long size(Path folder) throws IOException {
    long sum = 0;
    for (Path file : Archive.below(folder)) {
      if (Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) sum += Files.size(file);
    }
    return sum;
  }

  private static void delete(Path folder) throws IOException {
    if (!Files.exists(folder)) return;
    List<Path> all = new ArrayList<>(Archive.below(folder));
    all.sort(Comparator.reverseOrder());
    for (Path path : all) Files.delete(path);
    Files.delete(folder);
  }
}
