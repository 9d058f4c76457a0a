@echo off
rem SPDX-License-Identifier: Apache-2.0
rem Starts an installed clipsteer. Untested: nobody has run it on Windows.
setlocal
for %%i in ("%~dp0..") do set "HOME_DIR=%%~fi"
set "JAVA=%HOME_DIR%\runtime\bin\java.exe"
if not exist "%JAVA%" if defined CLIPSTEER_JAVA set "JAVA=%CLIPSTEER_JAVA%\bin\java.exe"
if not exist "%JAVA%" if defined JAVA_HOME set "JAVA=%JAVA_HOME%\bin\java.exe"
if not exist "%JAVA%" (
  echo clipsteer: no Java 25.0.3 or later found. Set CLIPSTEER_JAVA to the folder of one. 1>&2
  exit /b 1
)
set "ENGINE_CACHE_DIR=%HOME_DIR%\natives"
set "PATH=%HOME_DIR%\natives;%PATH%"
"%JAVA%" --enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow --add-modules=jdk.incubator.vector ^
  -Dorg.bytedeco.javacpp.maxBytes=0 -Dorg.bytedeco.javacpp.maxPhysicalBytes=340%% ^
  -Djava.awt.headless=true -Dai.djl.offline=true -Dsun.stdout.encoding=UTF-8 ^
  "-Djava.library.path=%HOME_DIR%\natives" ^
  -Dorg.bytedeco.javacpp.pathsFirst=true -Dorg.bytedeco.javacpp.cacheLibraries=false ^
  %CLIPSTEER_JVM_OPTIONS% -cp "%HOME_DIR%\lib\*" io.clipsteer.cli.Main %*
