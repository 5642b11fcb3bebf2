# flags.m4 - add compiler and linker flags only where they are understood

# ST_CFLAGS(VARIABLE, FLAGS): append each flag that compiles without a warning
AC_DEFUN([ST_CFLAGS], [
for st_flag in $2; do
  st_save=$CFLAGS
  CFLAGS="$CFLAGS -Werror $st_flag"
  AC_MSG_CHECKING([whether $CC accepts $st_flag])
  AC_COMPILE_IFELSE([AC_LANG_SOURCE([[int st_dummy;]])],
    [AC_MSG_RESULT([yes])
     AS_VAR_APPEND([$1], [" $st_flag"])],
    [AC_MSG_RESULT([no])])
  CFLAGS=$st_save
done])

# ST_LDFLAGS(VARIABLE, FLAGS): append each flag that links
AC_DEFUN([ST_LDFLAGS], [
for st_flag in $2; do
  st_save=$LDFLAGS
  st_save_c=$CFLAGS
  LDFLAGS="$LDFLAGS $st_flag"
  CFLAGS="$CFLAGS -Werror -fPIE"
  AC_MSG_CHECKING([whether the linker accepts $st_flag])
  AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
    [AC_MSG_RESULT([yes])
     AS_VAR_APPEND([$1], [" $st_flag"])],
    [AC_MSG_RESULT([no])])
  LDFLAGS=$st_save
  CFLAGS=$st_save_c
done])

# ST_WITH_DIR(OPTION, VARIABLE, DEFAULT, WHAT): an installation directory
AC_DEFUN([ST_WITH_DIR], [
AC_ARG_WITH([$1], [AS_HELP_STRING([--with-$1=DIR], [$4 @<:@$3@:>@])],
  [AS_CASE([$withval],
    [/*|'${'*], [$2=$withval],
    [AC_MSG_ERROR([--with-$1 wants an absolute directory])])],
  [$2='$3'])
AC_SUBST([$2])])
