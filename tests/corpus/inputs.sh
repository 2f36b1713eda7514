#!/bin/sh
# Makes what the recipes start from, in the folder $IN: a tone, a film, a picture, a letter and the like.
set -eu
cd "$IN"
sox -n -r 8000 -c 1 -b 16 tone.wav synth 0.2 sine 440
sox -n -r 44100 -c 2 -b 16 tone44.wav synth 0.2 sine 440
sox -n -r 44100 -c 2 -b 16 -e signed tone44.raw synth 0.2 sine 440
ffmpeg -v error -nostdin -y -f lavfi -i testsrc=s=32x32:d=0.3:r=10 -pix_fmt yuv420p film.y4m
ffmpeg -v error -nostdin -y -i film.y4m -c:v mjpeg film.avi
convert -size 16x16 gradient:red-blue picture.png
convert -size 64x64 gradient:red-blue big.png
convert -size 16x16 xc:red PNG32:icon16.png
convert -size 32x32 gradient:red-blue -type TrueColor BMP3:picture24.bmp
convert picture.png picture.tif
printf 'Dear reader,\n\nthis is a letter.\n' >letter.txt
printf 'a,b\n1,2\n' >table.csv
seq 1 400 >noise.txt
NS='xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
printf '<?xml version="1.0"?><office:document %s office:version="1.2" office:mimetype="application/vnd.oasis.opendocument.graphics"><office:body><office:drawing><draw:page><draw:rect svg:x="1cm" svg:y="1cm" svg:width="2cm" svg:height="2cm"/></draw:page></office:drawing></office:body></office:document>' "$NS" >drawing.fodg
printf '<?xml version="1.0"?><office:document %s office:version="1.2" office:mimetype="application/vnd.oasis.opendocument.presentation"><office:body><office:presentation><draw:page/></office:presentation></office:body></office:document>' "$NS" >slides.fodp
gs -q -dBATCH -dNOPAUSE -sDEVICE=pdfwrite -sOutputFile=page.pdf -c '100 100 moveto 200 200 lineto stroke showpage'
mkdir -p package/DEBIAN
printf 'Package: small\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: small\n' >package/DEBIAN/control
printf 'Name: small\nVersion: 1\nRelease: 1\nSummary: small\nLicense: MIT\nBuildArch: noarch\n%%description\nsmall\n%%files\n' >small.spec
printf 'void _start(void) { for (;;) {} }\nint twice(int a) { return 2 * a; }\n' >program.c
gcc -c -o program.o program.c
printf 'org 0\ndb "MZ"\ndw last, 1, 0, 2, 16, 0xffff, 0, 0x100, 0, 0, 0, 0x1c, 0\ndw 0, 0\nmov ax, 0x4c00\nint 0x21\nlast equ $\n' >dos.asm
printf '(module (func (export "a") (result i32) i32.const 1))' >program.wat
printf 'public class Program { public static void main(String[] a) {} }\n' >Program.java
printf '<manifest package="org.example.a"><application/></manifest>' >AndroidManifest.xml
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out cert.pem -subj /CN=a -days 1 2>/dev/null
printf '0000 00 01 02 03 04 05 06 07 08 09 0a 0b 08 00 45 00\n' | text2pcap -q -F pcap - c.pcap
fontforge -quiet -lang=ff -c 'New(); Select("A"); SetWidth(500); SetFontNames("Small", "Small", "Small"); Save("font.sfd")' 2>/dev/null
